package hub_test

import (
	"errors"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestShapeFitsItsPayload(t *testing.T) {
	h := newHub(t, nil, nil)
	for _, row := range []struct {
		shape hub.Shape
		kind  hub.Kind
		data  string
		fits  bool
	}{
		{0, hub.Text, "a", true},
		{hub.ShapeArgs, hub.JSON, " [1,2]", true},
		{hub.ShapeArgs, hub.JSON, "[]", true},
		{hub.ShapeArgs, hub.JSON, "1", false},
		{hub.ShapeArgs, hub.Text, "[1,2]", false},
		{hub.ShapeArgs, hub.Binary, "[", false},
		{hub.ShapeAttachments, hub.JSON, `{"$base64":""}`, true},
		{hub.ShapeArgs | hub.ShapeAttachments, hub.JSON, `[{"$base64":""},1]`, true},
		{hub.ShapeFrame, hub.JSON, `{"event":"a"}`, true},
		{hub.ShapeFrame, hub.JSON, `[]`, false},
		{hub.ShapeArgs | hub.ShapeFrame, hub.JSON, `[]`, false},
		{8, hub.JSON, `[]`, false},
	} {
		if got := row.shape.Fits(row.kind, []byte(row.data)); got != row.fits {
			t.Errorf("shape %d of %v %q: %v", row.shape, row.kind, row.data, got)
		}
		_, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Kind: row.kind, Data: []byte(row.data), Attributes: &hub.Attributes{Shape: row.shape}})
		if (err == nil) != row.fits || err != nil && !errors.Is(err, hub.ErrAttribute) {
			t.Errorf("publishing shape %d of %v %q: %v", row.shape, row.kind, row.data, err)
		}
	}
}
