package server

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// envPrefix begins the environment variable of every setting: history.count is
// GODWIT_HISTORY_COUNT.
const envPrefix = "GODWIT_"

// A setting connects one key with one field of a Config, so that files,
// environment and flags accept the same values and give the same errors.
type setting struct {
	key   string
	field func(*Config) any // a pointer; its type decides what is accepted
	// check says what is wrong with a value, or nothing.
	check func(field any) string
}

// settings are all keys, in the order in which documents present them.
var settings = []setting{
	{"listen", func(c *Config) any { return &c.Listen }, text(checkListen)},
	{"insecure", func(c *Config) any { return &c.Insecure }, anything},
	{"origins", func(c *Config) any { return &c.Origins }, list(checkOrigins)},
	{"credentials", func(c *Config) any { return &c.Credentials }, anything},
	{"demo", func(c *Config) any { return &c.Demo }, anything},
	{"history.count", func(c *Config) any { return &c.History.Count }, number(0, 10_000_000)},
	{"history.age", func(c *Config) any { return &c.History.Age }, duration(time.Millisecond, 10*365*24*time.Hour)},
	{"limits.publication_bytes", func(c *Config) any { return &c.Limits.PublicationBytes }, number(1, 64<<20)},
	{"limits.queue_count", func(c *Config) any { return &c.Limits.QueueCount }, number(1, 1<<20)},
	{"limits.queue_bytes", func(c *Config) any { return &c.Limits.QueueBytes }, number(1, 1<<30)},
	{"limits.header_bytes", func(c *Config) any { return &c.Limits.HeaderBytes }, number(4<<10, 1<<20)},
	{"limits.connections", func(c *Config) any { return &c.Limits.Connections }, number(1, 10_000_000)},
	{"limits.channels", func(c *Config) any { return &c.Limits.Channels }, number(1, 100_000_000)},
	{"limits.history_bytes", func(c *Config) any { return &c.Limits.HistoryBytes }, number(1<<20, math.MaxInt)},
	{"driver", func(c *Config) any { return &c.Driver }, text(checkWord(driverEngine, driverGoroutine))},
	{"compression", func(c *Config) any { return &c.Compression }, anything},
	{"heartbeat", func(c *Config) any { return &c.Heartbeat }, duration(time.Second, time.Hour)},
	{"keepalive_timeout", func(c *Config) any { return &c.KeepaliveTimeout }, duration(time.Second, 24*time.Hour)},
	{"drain_delay", func(c *Config) any { return &c.DrainDelay }, duration(0, time.Hour)},
	{"drain_timeout", func(c *Config) any { return &c.DrainTimeout }, duration(time.Millisecond, time.Hour)},
	{"log.format", func(c *Config) any { return &c.Log.Format }, text(checkWord("text", "json"))},
	{"log.level", func(c *Config) any { return &c.Log.Level }, text(checkWord("debug", "info", "warn", "error"))},
}

func settingOf(key string) (setting, bool) {
	for _, s := range settings {
		if s.key == key {
			return s, true
		}
	}
	return setting{}, false
}

func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// set parses value into the setting's field and checks it. Lists are separated
// by commas or spaces.
func (s setting) set(c *Config, value string) error {
	if err := parseInto(s.field(c), value); err != nil {
		return err
	}
	// Checked here and not only in normalize: there a zero means the default.
	if text := s.check(s.field(c)); text != "" {
		return errors.New(text)
	}
	return nil
}

func parseInto(field any, value string) error {
	switch p := field.(type) {
	case *string:
		*p = value
	case *[]string:
		*p = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	case *bool:
		b, err := parseBool(value)
		*p = b
		return err
	case **bool:
		b, err := parseBool(value)
		*p = &b
		return err
	case *int:
		n, err := parseInt(value)
		*p = n
		return err
	case **int:
		n, err := parseInt(value)
		*p = &n
		return err
	case *time.Duration:
		d, err := parseDuration(value)
		*p = d
		return err
	default:
		panic(fmt.Sprintf("server: no parser for a setting of type %T", field))
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

func anything(any) string { return "" }

func text(check func(string) string) func(any) string {
	return func(field any) string { return check(*field.(*string)) }
}

func list(check func([]string) string) func(any) string {
	return func(field any) string { return check(*field.(*[]string)) }
}

func number(least, most int) func(any) string {
	return func(field any) string {
		var n int
		switch p := field.(type) {
		case *int:
			n = *p
		case **int:
			n = **p
		}
		if n < least || n > most {
			return fmt.Sprintf("%d is out of range; use %d to %d", n, least, most)
		}
		return ""
	}
}

func duration(least, most time.Duration) func(any) string {
	return func(field any) string {
		if d := *field.(*time.Duration); d < least || d > most {
			return fmt.Sprintf("%v is out of range; use %v to %v", d, least, most)
		}
		return ""
	}
}
