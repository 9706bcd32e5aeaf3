package deflate

import (
	"math"
	"reflect"
	"strings"
	"testing"
)

// A negative option is refused by its name, and never switches a limit off where
// nobody has asked Validate.
func TestNegativeOptions(t *testing.T) {
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
	fields := reflect.TypeFor[Options]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		o := Options{}
		field := reflect.ValueOf(&o).Elem().Field(i)
		if !field.CanInt() || field.Type() == reflect.TypeFor[Level]() {
			continue
		}
		field.SetInt(-7)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "option "+name+": -7 is negative") {
			t.Errorf("%s: %v", name, err)
		}
		if got := o.WithDefaults(); got != defaultOptions {
			t.Errorf("%s: -7 is not the default: %+v", name, got)
		}
	}
}

func TestNoLimit(t *testing.T) {
	o := Options{MessageBytesMax: NoLimit, RatioMax: NoLimit, RatioFloorBytes: NoLimit}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	o = o.WithDefaults()
	if o.MessageBytesMax != math.MaxInt64 || o.RatioMax != math.MaxInt64 || o.RatioFloorBytes != math.MaxInt64 {
		t.Errorf("%+v", o)
	}
}
