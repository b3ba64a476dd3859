package harness_test

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic/histogram"
)

// strict compiles a schema that also refuses what it does not describe, which the
// published one lets pass for the sake of later releases.
func strict(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	for _, def := range doc.(map[string]any)["$defs"].(map[string]any) {
		if d := def.(map[string]any); d["properties"] != nil {
			d["additionalProperties"] = false
		}
	}
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	return s
}

func requireValid(t *testing.T, s *jsonschema.Schema, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	requireValidText(t, s, text)
}

func requireValidText(t *testing.T, s *jsonschema.Schema, text []byte) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	require.NoError(t, s.Validate(doc), "%.300s", text)
}

func TestWhatARunWritesIsWhatItsSchemasDescribe(t *testing.T) {
	result, line := strict(t, harness.ResultSchema), strict(t, harness.StreamSchema)
	bubble(t, func(t *testing.T) {
		res, text := streamed(t)
		requireValid(t, result, res)
		for l := range bytes.SplitSeq(bytes.TrimSpace(text), []byte("\n")) {
			requireValidText(t, line, l)
		}
		partial, err := harness.ReadStream(bytes.NewReader(text[:bytes.LastIndex(bytes.TrimSpace(text), []byte("\n"))+1]))
		require.NoError(t, err)
		requireValid(t, result, partial)
	})
}

func TestSchemasDescribeEveryField(t *testing.T) {
	requireValid(t, strict(t, harness.ResultSchema), full[harness.Result]())
	requireValid(t, strict(t, harness.StreamSchema), full[harness.StreamRecord]())
}

func TestSchemasRefuseAResultThatLacksSomething(t *testing.T) {
	s := strict(t, harness.ResultSchema)
	for _, text := range []string{`{}`, `{"schema_version":"1"}`, `[]`} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
		require.NoError(t, err)
		require.Error(t, s.Validate(doc))
	}
	res := full[harness.Result]()
	res.Verdict = "so so"
	text, err := json.Marshal(res)
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	require.ErrorContains(t, s.Validate(doc), "verdict")
}

// full has something in every field.
func full[T any]() *T {
	v := new(T)
	fill(reflect.ValueOf(v).Elem(), 0)
	return v
}

func fill(v reflect.Value, depth int) {
	if depth > 12 {
		return // types that have themselves
	}
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
		return
	case harness.Verdict:
		v.Set(reflect.ValueOf(harness.Fail))
		return
	case harness.Phase:
		v.Set(reflect.ValueOf(harness.WarmUp))
		return
	case *histogram.Histogram:
		h := &histogram.Histogram{}
		h.Record(time.Millisecond)
		v.Set(reflect.ValueOf(h))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		if depth < 8 {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value, depth+2)
			v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), value)
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(math.MaxUint64)
	case reflect.Float64:
		v.SetFloat(1.5)
	}
}
