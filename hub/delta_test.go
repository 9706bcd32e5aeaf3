package hub_test

import (
	"testing"

	"github.com/godwit-io/godwit/hub"
)
