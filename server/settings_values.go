package server

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
)

// parseInto sets field, a pointer to a single value, to the one that value is the
// text of.
func parseInto(field any, value string) (err error) {
	if !utf8.ValidString(value) {
		return errors.New("it is not valid UTF-8")
	}
	switch p := field.(type) {
	case *string:
		*p = value
	case *bool:
		*p, err = parseBool(value)
	case **bool:
		*p = new(bool)
		**p, err = parseBool(value)
	case *int:
		*p, err = parseInt(value)
	case **int:
		*p = new(int)
		**p, err = parseInt(value)
	case *float64:
		*p, err = parseFloat(value)
	case **float64:
		*p = new(float64)
		**p, err = parseFloat(value)
	case *time.Duration:
		*p, err = parseDuration(value)
	case *Joins:
		*p, err = ParseJoins(value)
	case *Secret:
		*p, err = ParseSecret(value)
	case *netip.Prefix:
		*p, err = parsePrefix(value)
	case *access.Pattern:
		*p, err = access.ParsePattern(value)
	case *access.Action:
		*p, err = access.ParseAction(value)
	default:
		panic(fmt.Sprintf("server: no parser for a setting of type %T", field))
	}
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "access: "))
	}
	return nil
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

func parseInt(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}

func parseFloat(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q is not a number such as 0.5 or 10", s)
	}
	return n, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, fmt.Errorf("%s has no unit; write for example %ss or %sm", s, s, s)
	}
	return 0, fmt.Errorf("%q is not a duration; write for example 500ms, 10s or 1h30m", s)
}

// parsePrefix parses an address, or a prefix of addresses.
func parsePrefix(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a prefix; write for example 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32", s)
	}
	if p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is IPv4 written as IPv6; write the IPv4 prefix", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its length; write %s", s, p.Masked())
	}
	return p, nil
}

// kind is how a setting is written.
type kind uint8

const (
	kindScalar kind = iota
	kindList        // of scalars
	kindGrants      // lists of patterns, by action
	kindSections
)

func (s setting) kind(field any) kind {
	switch field.(type) {
	case *access.Grants, **access.Grants:
		return kindGrants
	}
	switch {
	case s.rule.sections != nil:
		return kindSections
	case reflect.TypeOf(field).Elem().Kind() == reflect.Slice:
		return kindList
	}
	return kindScalar
}

// setText sets the setting of owner to what text says, and checks it. Lists are
// separated by commas, and by spaces unless what is listed may contain some.
// Sections and grants have no such form.
func (s setting) setText(owner any, text string) error {
	field := s.field(owner)
	if s.kind(field) != kindList {
		return s.setScalar(field, text)
	}
	isEnd := func(r rune) bool { return r == ',' || r == ' ' && !s.rule.mayHaveSpaces }
	var words []string
	for _, word := range strings.FieldsFunc(text, isEnd) {
		if word = strings.TrimSpace(word); word != "" {
			words = append(words, word)
		}
	}
	items := makeList(field, len(words))
	for i, word := range words {
		if err := s.setScalar(items.Index(i).Addr().Interface(), word); err != nil {
			return err
		}
	}
	reflect.ValueOf(field).Elem().Set(items)
	return nil
}

// setScalar parses text into field, the setting's or an item of it, and checks it.
func (s setting) setScalar(field any, text string) error {
	if err := parseInto(field, text); err != nil {
		return err
	}
	// Checked here and not only in normalize: there a zero means the default.
	if s.rule.check != nil {
		if text := s.rule.check(field); text != "" {
			return errors.New(text)
		}
	}
	return nil
}

// makeList makes a list of n items for field, a pointer to one.
func makeList(field any, n int) reflect.Value {
	return reflect.MakeSlice(reflect.TypeOf(field).Elem(), n, n)
}

// items are pointers to those of field, a pointer to a list.
func items(field any) []any {
	list := reflect.ValueOf(field).Elem()
	all := make([]any, list.Len())
	for i := range all {
		all[i] = list.Index(i).Addr().Interface()
	}
	return all
}

// checkAll calls report for each value of owner that its rule does not allow. Zero
// is the default, or none.
func checkAll(rows []setting, owner any, prefix string, report func(key, text string)) {
	for _, s := range rows {
		field := s.field(owner)
		key := join(prefix, s.key)
		switch s.kind(field) {
		case kindScalar:
			if text := s.wrong(field); text != "" {
				report(key, text)
			}
		case kindList:
			for i, item := range items(field) {
				if text := s.wrong(item); text != "" {
					report(fmt.Sprintf("%s[%d]", key, i), text)
				}
			}
		case kindSections:
			for i, item := range items(field) {
				checkAll(s.rule.sections, item, fmt.Sprintf("%s[%d]", key, i), report)
			}
		}
	}
}

func (s setting) wrong(field any) string {
	if s.rule.check == nil || reflect.ValueOf(field).Elem().IsZero() {
		return ""
	}
	return s.rule.check(field)
}
