package tracing

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOptionsThatCannotBe(t *testing.T) {
	for want, o := range map[string]*Options{
		"Endpoint: there is none":                       nil,
		`Endpoint: the scheme of localhost:4318 is`:     {Endpoint: "localhost:4318"},
		"Endpoint: http:///v1/traces names no host":     {Endpoint: "http:///v1/traces"},
		"Sample: 1.5 is no part of anything":            {Endpoint: "http://a", Sample: 1.5},
		"Sample: NaN is no part of anything":            {Endpoint: "http://a", Sample: math.NaN()},
		"Sample: it cannot be together with NoSample":   {Endpoint: "http://a", Sample: 1, NoSample: true},
		"Delay: -1ns is negative; 0 is the default":     {Endpoint: "http://a", Delay: -1},
		"Sample: -0.5 is negative; 0 is the default, 1": {Endpoint: "http://a", Sample: -0.5},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "tracing: option "+want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for i := range reflect.TypeFor[Options]().NumField() {
		o := &Options{Endpoint: "http://a"}
		field := reflect.ValueOf(o).Elem().Field(i)
		name := reflect.TypeFor[Options]().Field(i).Name
		switch {
		case field.CanInt():
			field.SetInt(-1)
		case field.CanFloat():
			field.SetFloat(-1)
		default:
			continue
		}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "tracing: option "+name+": -1") {
			t.Errorf("%s of -1: %v", name, err)
		}
	}
	if _, err := New(&Options{Endpoint: "http://user:hunter2@:x/"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is in %v", err)
	}
}

func TestEndpoint(t *testing.T) {
	for given, want := range map[string]string{
		"http://a:4318": "http://a:4318/v1/traces", "http://a:4318/": "http://a:4318/v1/traces",
		"https://a/otlp": "https://a/otlp", "https://a/v1/traces": "https://a/v1/traces",
	} {
		_, u, err := (&Options{Endpoint: given}).effective()
		if err != nil || u.String() != want {
			t.Errorf("%s is %s, %v; want %s", given, u, err, want)
		}
	}
}

// What OpenTelemetry's variables mean, where the options are silent.
func TestEnvironment(t *testing.T) {
	const base = "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318"
	pem := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(pem, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := func(o Options) Options {
		o.Endpoint = "http://c:4318/v1/traces"
		return o
	}
	for name, row := range map[string]struct {
		given     Options
		variables string
		want      Options
		warning   string
	}{
		"nothing":             {Options{}, "", Options{}, ""},
		"a service alone":     {Options{}, "OTEL_SERVICE_NAME=a", Options{}, ""},
		"a base":              {Options{}, base, at(Options{}), ""},
		"a base with a path":  {Options{}, "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318/otlp/", Options{Endpoint: "http://c:4318/otlp/v1/traces"}, ""},
		"for traces":          {Options{}, base + " OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://t/x", Options{Endpoint: "http://t/x"}, ""},
		"the default":         {Options{}, "OTEL_TRACES_EXPORTER=otlp", Options{Endpoint: "http://localhost:4318/v1/traces"}, ""},
		"no exporter":         {Options{}, base + " OTEL_TRACES_EXPORTER=none", Options{}, ""},
		"another exporter":    {Options{}, base + " OTEL_TRACES_EXPORTER=zipkin", Options{}, `OTEL_TRACES_EXPORTER: "zipkin" cannot be exported to`},
		"disabled":            {Options{Endpoint: "http://a"}, "OTEL_SDK_DISABLED=true", Options{}, ""},
		"no URL":              {Options{}, "OTEL_EXPORTER_OTLP_ENDPOINT=c:4318", Options{}, "OTEL_EXPORTER_OTLP_ENDPOINT: the scheme of c:4318"},
		"options win":         {Options{Endpoint: "http://a", Service: "a", Sample: 0.5, QueueMax: 7}, base + " OTEL_SERVICE_NAME=b OTEL_TRACES_SAMPLER=always_off OTEL_BSP_MAX_QUEUE_SIZE=9", Options{Endpoint: "http://a", Service: "a", Sample: 0.5, QueueMax: 7}, ""},
		"NoSample wins":       {Options{Endpoint: "http://a", NoSample: true}, "OTEL_TRACES_SAMPLER=always_on", Options{Endpoint: "http://a", NoSample: true}, ""},
		"all":                 {Options{}, base + " OTEL_TRACES_SAMPLER=always_on", at(Options{Sample: 1, IgnoreParent: true}), ""},
		"none":                {Options{}, base + " OTEL_TRACES_SAMPLER=always_off", at(Options{NoSample: true, IgnoreParent: true}), ""},
		"a part":              {Options{}, base + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=0.5", at(Options{Sample: 0.5, IgnoreParent: true}), ""},
		"a part by default":   {Options{}, base + " OTEL_TRACES_SAMPLER=parentbased_traceidratio", at(Options{Sample: 1}), ""},
		"the parent and none": {Options{}, base + " OTEL_TRACES_SAMPLER=parentbased_always_off", at(Options{NoSample: true}), ""},
		"no part":             {Options{}, base + " OTEL_TRACES_SAMPLER=traceidratio OTEL_TRACES_SAMPLER_ARG=2", at(Options{Sample: 1, IgnoreParent: true}), `OTEL_TRACES_SAMPLER_ARG: "2" is no number`},
		"no sampler":          {Options{}, base + " OTEL_TRACES_SAMPLER=jaeger_remote", at(Options{}), `OTEL_TRACES_SAMPLER: "jaeger_remote" is not known`},
		"gRPC":                {Options{}, base + " OTEL_EXPORTER_OTLP_PROTOCOL=grpc", at(Options{}), `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not spoken here`},
		"gzip":                {Options{}, base + " OTEL_EXPORTER_OTLP_COMPRESSION=gzip OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", at(Options{Compress: true}), ""},
		"zstd":                {Options{}, base + " OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=zstd", at(Options{}), `OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "zstd" is not known`},
		"headers":             {Options{}, base + " OTEL_EXPORTER_OTLP_HEADERS=api-key=a%20b,X=y", at(Options{Headers: http.Header{"Api-Key": {"a b"}, "X": {"y"}}}), ""},
		"no headers":          {Options{}, base + " OTEL_EXPORTER_OTLP_HEADERS=hunter2", at(Options{}), "OTEL_EXPORTER_OTLP_HEADERS: it is no list of header fields"},
		"headers with a line": {Options{}, base + " OTEL_EXPORTER_OTLP_HEADERS=a=hunter2%0Ab", at(Options{}), "OTEL_EXPORTER_OTLP_HEADERS: it is no list of header fields"},
		"no certificate":      {Options{}, base + " OTEL_EXPORTER_OTLP_CERTIFICATE=" + pem, at(Options{}), "OTEL_EXPORTER_OTLP_CERTIFICATE: no certificate can be read"},
		"times":               {Options{}, base + " OTEL_EXPORTER_OTLP_TIMEOUT=2000 OTEL_BSP_SCHEDULE_DELAY=10", at(Options{Timeout: 2 * time.Second, Delay: 10 * time.Millisecond}), ""},
		"no time":             {Options{}, base + " OTEL_EXPORTER_OTLP_TIMEOUT=2s", at(Options{}), `OTEL_EXPORTER_OTLP_TIMEOUT: "2s" is no number of milliseconds`},
		"batches":             {Options{}, base + " OTEL_BSP_MAX_QUEUE_SIZE=9 OTEL_BSP_MAX_EXPORT_BATCH_SIZE=3", at(Options{QueueMax: 9, BatchMax: 3}), ""},
		"no batches":          {Options{}, base + " OTEL_BSP_MAX_QUEUE_SIZE=-9", at(Options{}), `OTEL_BSP_MAX_QUEUE_SIZE: "-9" is no number of spans`},
		"the service":         {Options{}, base + " OTEL_SERVICE_NAME=a OTEL_RESOURCE_ATTRIBUTES=service.name=b,x.y=%31", at(Options{Service: "a", Resource: map[string]string{"x.y": "1"}}), ""},
		"the resource":        {Options{Resource: map[string]string{"x": "1"}}, base + " OTEL_RESOURCE_ATTRIBUTES=service.name=b,x=2,y=3", at(Options{Service: "b", Resource: map[string]string{"x": "1", "y": "3"}}), ""},
		"no resource":         {Options{}, base + " OTEL_RESOURCE_ATTRIBUTES=hunter2", at(Options{}), "OTEL_RESOURCE_ATTRIBUTES: it is no list of attributes"},
	} {
		variables := make(map[string]string)
		for _, v := range strings.Fields(row.variables) {
			name, value, _ := strings.Cut(v, "=")
			variables[name] = value
		}
		got, warnings := row.given.WithEnvironment(func(name string) string { return variables[name] })
		if !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %+v, want %+v", name, got, row.want)
		}
		text := fmt.Sprint(warnings)
		if (len(warnings) == 0) != (row.warning == "") || !strings.Contains(text, row.warning) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: the warnings are %s, want %s", name, text, row.warning)
		}
		if got.Endpoint != "" {
			if _, _, err := got.effective(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func FuzzPairs(f *testing.F) {
	f.Add("a=b,c=%20d")
	f.Add("=,")
	f.Fuzz(func(t *testing.T, list string) {
		pairs, ok := parsePairs(list)
		if !ok && pairs != nil || slices.Contains(keys(pairs), "") {
			t.Fatalf("%q is %v, %v", list, pairs, ok)
		}
	})
}

func keys(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}
