// Made from the table of package clientproto by `go generate ./clientproto`. DO NOT EDIT.

/** The names for which the numbers stand that CBOR has as keys (docs/protocol.md §10.2). */
export const keys: readonly string[] =
  "channel position time data event user key kind delta id ok error gap from to reason count message publish subscribe since join leave members connect unsubscribe history presence digest rpc cancel register unregister answer refresh ping end token client resume session secret messages last rate self idempotency_key limit cursor by method timeout_ms concurrency call type title detail retry_after_ms resumed reconnect after_ms ping_ms expires_after_ms duplicate publications users version previous transport sessions info canceled sha256 call_over trace expiring code subscribed unsubscribed unregistered vector args attachments framed exclude behind is".split(" ")
