package driver_test

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
)

var defaults = driver.Options{
	MessageBytesMax: 1 << 20, FragmentsMax: 4096,
	PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, IdleTimeout: driver.Forever,
	WriteTimeout: 10 * time.Second, CloseTimeout: 5 * time.Second, QueueBytesMax: 1 << 20,
}

func TestDefaults(t *testing.T) {
	got, err := driver.Options{}.WithDefaults()
	if got != defaults || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if again, err := got.WithDefaults(); again != got || err != nil {
		t.Errorf("what has its defaults is changed: %+v, %v", again, err)
	}
}

// Every number among the options has a default, may be NoLimit, and may not be
// negative.
func TestEveryOptionMeansTheSame(t *testing.T) {
	fields := reflect.TypeFor[driver.Options]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if name == "Compression" {
			continue
		}
		with := func(value int64) (int64, error) {
			o := driver.Options{}
			reflect.ValueOf(&o).Elem().Field(i).SetInt(value)
			got, err := o.WithDefaults()
			return reflect.ValueOf(got).Field(i).Int(), err
		}
		largest := int64(driver.Forever)
		switch fields.Field(i).Type {
		case reflect.TypeFor[int]():
			largest = math.MaxInt
		case reflect.TypeFor[int64]():
			largest = math.MaxInt64
		}
		if got, err := with(0); got <= 0 || err != nil {
			t.Errorf("%s has the default %d, %v", name, got, err)
		}
		if got, err := with(7); got != 7 || err != nil {
			t.Errorf("%s of 7 is %d, %v", name, got, err)
		}
		for _, none := range []int64{driver.NoLimit, math.MaxInt} {
			if got, err := with(none); got != largest || err != nil {
				t.Errorf("%s of %d is %d, %v; want %d", name, none, got, err, largest)
			}
		}
		for _, negative := range []int64{-1, math.MinInt} {
			_, err := with(negative)
			if e, ok := errors.AsType[*driver.OptionError](err); !ok || e.Option != name || !strings.Contains(err.Error(), "option "+name+": -") {
				t.Errorf("%s of %d: %v", name, negative, err)
			}
		}
	}
}

func TestOptionErrorSays(t *testing.T) {
	for want, o := range map[string]driver.Options{
		"option PingTimeout: -1s is negative; 0 is the default, and NoLimit no limit":           {PingTimeout: -time.Second},
		"option QueueBytesMax: -1 is negative; 0 is the default, and NoLimit no limit":          {QueueBytesMax: -1, Compression: &deflate.Options{RatioMax: -1}},
		"option Compression: deflate: option HistoryBits: -3 is negative; 0 is the default":     {Compression: &deflate.Options{HistoryBits: -3}},
		"option Compression: deflate: option MessageBytesMax: -1 is negative; 0 is the default": {Compression: &deflate.Options{MessageBytesMax: -1}},
	} {
		if got, err := o.WithDefaults(); err == nil || err.Error() != want || got != (driver.Options{}) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// The application keeps what it has given, and a message inflates to no more than
// it may be long.
func TestCompressionIsCopied(t *testing.T) {
	given := deflate.Options{HistoryBits: 9, MessageBytesMax: 5}
	o, err := driver.Options{MessageBytesMax: 1000, Compression: &given}.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if given != (deflate.Options{HistoryBits: 9, MessageBytesMax: 5}) {
		t.Errorf("changed: %+v", given)
	}
	if want := (deflate.Options{HistoryBits: 9, MessageBytesMax: 1000}).WithDefaults(); *o.Compression != want {
		t.Errorf("got %+v", *o.Compression)
	}
	if o, err = (driver.Options{MessageBytesMax: driver.NoLimit, Compression: &given}).WithDefaults(); err != nil || o.Compression.MessageBytesMax != math.MaxInt64 {
		t.Errorf("without a limit on messages they inflate to %d, %v", o.Compression.MessageBytesMax, err)
	}
}

// A time without limit can be added to any other, and doubled.
func TestForever(t *testing.T) {
	if driver.Forever < 50*365*24*time.Hour {
		t.Errorf("%v is short", driver.Forever)
	}
	if later := time.Now().Add(2 * driver.Forever); !later.After(time.Now()) || 2*driver.Forever+driver.Forever < 0 {
		t.Error("overflows")
	}
}

func TestResolveAllocs(t *testing.T) {
	got := testing.AllocsPerRun(100, func() {
		a, b, c := 0, int64(driver.NoLimit), time.Second
		if driver.Resolve("a", &a, 1) != nil || driver.Resolve("b", &b, 1) != nil || driver.Resolve("c", &c, 1) != nil || a != 1 {
			t.Fail()
		}
	})
	if got > 0 {
		t.Errorf("%v allocations", got)
	}
}
