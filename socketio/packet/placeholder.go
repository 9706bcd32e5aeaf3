package packet

import (
	"encoding/base64"
)

// AppendExpanded appends args to dst with each placeholder replaced by what with appends
// for its attachment: a JSON value. Everything else stays as it is. The error is
// ErrPlaceholder, if a placeholder is for none of the attachments, or for the same one as
// another: no client sends that, and a packet could become many times as long by it.
func AppendExpanded(dst []byte, args Args, attachments [][]byte, with func(dst, attachment []byte) []byte) ([]byte, error) {
	if len(attachments) == 0 {
		return append(dst, args...), nil
	}
	places, err := placeholders(args, len(attachments))
	if err != nil {
		return dst, err
	}
	from := 0
	for _, p := range places {
		dst = append(dst, args[from:p.start]...)
		dst = with(dst, attachments[p.num])
		from = p.end
	}
	return append(dst, args[from:]...), nil
}

// AppendBase64 appends an attachment as a JSON string of standard base64, which is what
// encoding/json reads into a []byte. It is for AppendExpanded.
func AppendBase64(dst, attachment []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, attachment)
	return append(dst, '"')
}

// AppendBase64Object returns a function for AppendExpanded that appends an attachment as an
// object {"key":"base64"}, which AppendCollected finds again. key must need no escape.
func AppendBase64Object(key string) func(dst, attachment []byte) []byte {
	return func(dst, attachment []byte) []byte {
		dst = append(dst, `{"`...)
		dst = append(dst, key...)
		dst = append(dst, `":`...)
		return append(AppendBase64(dst, attachment), '}')
	}
}

// AppendCollected is the other way of AppendExpanded with AppendBase64Object: it appends
// args to dst with each object that has the member key only, with standard base64 as its
// value, replaced by a placeholder, and returns the bytes as attachments, after those
// already given. If there are more than AttachmentsMax then all objects stay as they are.
// args must be valid.
func AppendCollected(dst []byte, args Args, key string, attachments [][]byte) ([]byte, [][]byte) {
	f := finder{key: key, is: func(_ []byte, o object) bool { return o.members == 1 }}
	f.all(args)
	if len(f.found) == 0 || len(attachments)+len(f.found) > AttachmentsMax {
		return append(dst, args...), attachments
	}
	from := 0
	for _, o := range f.found {
		decoded, ok := decodeBase64(o.value.of(args))
		if !ok {
			continue
		}
		dst = append(dst, args[from:o.start]...)
		dst = AppendPlaceholder(dst, len(attachments))
		attachments = append(attachments, decoded)
		from = o.end
	}
	return append(dst, args[from:]...), attachments
}

func decodeBase64(s []byte) ([]byte, bool) {
	if s[0] != '"' {
		return nil, false
	}
	text, ok := unquote(s)
	if !ok {
		return nil, false
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	return decoded, err == nil
}

// place is where a placeholder is, and what for.
type place struct {
	span
	num int
}

// placeholders returns the placeholders in args, in their order.
func placeholders(args Args, attachments int) ([]place, error) {
	f := finder{key: "_placeholder", second: "num", is: func(b []byte, o object) bool { return string(o.value.of(b)) == "true" }}
	f.all(args)
	var taken [AttachmentsMax]bool
	places := make([]place, 0, attachments)
	for _, o := range f.found {
		digits := o.second.of(args)
		if len(digits) != 1 || !isDigit(digits[0]) {
			return nil, ErrPlaceholder
		}
		num := int(digits[0] - '0')
		if num >= attachments || num >= len(taken) || taken[num] {
			return nil, ErrPlaceholder
		}
		taken[num] = true
		places = append(places, place{o.span, num})
	}
	return places, nil
}

// CheckPlaceholders returns ErrPlaceholder if what looks like a placeholder in args is for
// none of so many attachments, or two are for the same one. Receivers would close
// their connections: ask it of arguments that come from elsewhere and are sent with
// attachments.
func CheckPlaceholders(args Args, attachments int) error {
	_, err := placeholders(args, attachments)
	return err
}

// IsPlaceholder reports whether a whole argument is a placeholder, and which attachment
// it stands for.
func IsPlaceholder(arg []byte) (num int, ok bool) {
	if len(arg) == 0 || arg[0] != '{' {
		return 0, false
	}
	places, err := placeholders(arg, AttachmentsMax)
	if err != nil || len(places) != 1 || places[0].start != 0 {
		return 0, false
	}
	return places[0].num, true
}

// all looks at all arguments.
func (f *finder) all(args Args) {
	for i := skipSpace(args, 0); i < len(args); {
		end := skipValue(args, i, 0, f)
		if end < 0 {
			return
		}
		if i = skipSpace(args, end); i < len(args) {
			i = skipSpace(args, i+1)
		}
	}
}
