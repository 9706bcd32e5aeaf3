// Verifies requests, each a line of JSON, with the library of Standard Webhooks, and
// prints a line for each: "ok", or why not.
import { createInterface } from 'node:readline'
import { Webhook } from 'standardwebhooks'

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line)
  try {
    new Webhook(secret).verify(Buffer.from(body, 'base64').toString('utf8'), headers)
    console.log('ok')
  } catch (error) {
    console.log('no: ' + error.message)
  }
}
