package postgres

import (
	stdjson "encoding/json"
	"strings"
	"testing"
)

// TestTypes holds what a value of each type is in JSON, alone and in an array.
func TestTypes(t *testing.T) {
	t.Parallel()
	c := open(t, `CREATE TYPE mood AS ENUM ('sad', 'ok "fine"'); CREATE DOMAIN positive AS int CHECK (value > 0); CREATE DOMAIN amounts AS numeric;
		CREATE TYPE pair AS (a int, b text)`)
	for sql, want := range map[string]string{
		"NULL::int":                      `null`,
		"NULL::text[]":                   `null`,
		"true":                           `true`,
		"(-32768)::int2":                 `-32768`,
		"(-2147483648)::int4":            `-2147483648`,
		"9223372036854775807":            `9223372036854775807`,
		"4294967295::oid":                `4294967295`,
		"1.5::float4":                    `1.5`,
		"0.1::float4":                    `0.1`,
		"1e-10::float4":                  `1e-10`,
		"0.1::float8":                    `0.1`,
		"1e300::float8":                  `1e+300`,
		"1e-7::float8":                   `1e-7`,
		"'NaN'::float8":                  `null`,
		"'-Infinity'::float4":            `null`,
		"0::numeric":                     `0`,
		"0.00::numeric":                  `0.00`,
		"-0.0001::numeric":               `-0.0001`,
		"12345678901234567890.123456789": `12345678901234567890.123456789`,
		"10000::numeric":                 `10000`,
		"1e20::numeric":                  `100000000000000000000`,
		"1e-20::numeric":                 `0.00000000000000000001`,
		"100.50::numeric(10,2)":          `100.50`,
		"0.00012345::numeric":            `0.00012345`,
		"99990001.0001::numeric":         `99990001.0001`,
		"'NaN'::numeric":                 `null`,
		"'Infinity'::numeric":            `null`,
		"'a\"b\\é' || chr(10)":           `"a\"b\\é\n"`,
		"''::text":                       `""`,
		"'x'::varchar(3)":                `"x"`,
		"'x'::char(3)":                   `"x  "`,
		"'x'::name":                      `"x"`,
		"'x'::\"char\"":                  `"x"`,
		"'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid": `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`,
		"'2026-01-31'::date":                           `"2026-01-31"`,
		"'infinity'::date":                             `"infinity"`,
		"'-infinity'::date":                            `"-infinity"`,
		"'0044-03-15 BC'::date":                        `"-0043-03-15"`,
		"'0001-12-31 BC'::date":                        `"0000-12-31"`,
		"'2000-02-29'::date":                           `"2000-02-29"`,
		"'1900-03-01'::date":                           `"1900-03-01"`,
		"'5874897-12-31'::date":                        `"5874897-12-31"`,
		"'4713-01-01 BC'::date":                        `"-4712-01-01"`,
		"'12:34:56.7'::time":                           `"12:34:56.7"`,
		"'24:00'::time":                                `"24:00:00"`,
		"'00:00:00.000001'::time":                      `"00:00:00.000001"`,
		"'12:34:56+02'::timetz":                        `"12:34:56+02"`,
		"'2026-01-31 12:00'::timestamp":                `"2026-01-31T12:00:00Z"`,
		"'2026-01-31 12:00:00.123456+02'::timestamptz": `"2026-01-31T10:00:00.123456Z"`,
		"'1999-12-31 23:59:59.999999Z'::timestamptz":   `"1999-12-31T23:59:59.999999Z"`,
		"'infinity'::timestamptz":                      `"infinity"`,
		"'-infinity'::timestamp":                       `"-infinity"`,
		"'294276-12-31 23:59:59.999999'::timestamp":    `"294276-12-31T23:59:59.999999Z"`,
		"'1 year 2 days 3:04:05'::interval":            `"P1Y2DT3H4M5S"`,
		"'{\"b\": 1,\n \"a\":[1, 2]}'::json":           `{"b": 1,  "a":[1, 2]}`,
		"'{\"b\":1}'::jsonb":                           `{"b": 1}`,
		"'null'::jsonb":                                `null`,
		"'\\x00ff'::bytea":                             `"AP8="`,
		"''::bytea":                                    `""`,
		"'10.0.0.0/8'::inet":                           `"10.0.0.0/8"`,
		"'10.0.0.0/8'::cidr":                           `"10.0.0.0/8"`,
		"'08:00:2b:01:02:03'::macaddr":                 `"08:00:2b:01:02:03"`,
		"'[1,5)'::int4range":                           `"[1,5)"`,
		"B'101'":                                       `"101"`,
		"'a & b'::tsquery":                             `"'a' & 'b'"`,
		"'<a/>'::xml":                                  `"<a/>"`,
		"'(1,2)'::point":                               `"(1,2)"`,
		"'0/16B3748'::pg_lsn":                          `"0/16B3748"`,
		"ROW(1, 'a')":                                  `"(1,a)"`,
		"pg_sleep(0)":                                  `null`,
		"'ok \"fine\"'::mood":                          `"ok \"fine\""`,
		"5::positive":                                  `5`,
		"1.50::amounts":                                `1.50`,
		"ROW(1, 'a')::pair":                            `"(1,a)"`,

		"ARRAY[1, NULL, -3]":                                    `[1,null,-3]`,
		"'{}'::int[]":                                           `[]`,
		"ARRAY[[1, 2], [3, 4]]":                                 `[[1,2],[3,4]]`,
		"ARRAY[[[1], [2]], [[3], [4]]]":                         `[[[1],[2]],[[3],[4]]]`,
		"'[2:3]={1,2}'::int[]":                                  `[1,2]`,
		"ARRAY[true, false]":                                    `[true,false]`,
		"ARRAY['a', 'b,\"{}\\', NULL, 'NULL', '']":              `["a","b,\"{}\\",null,"NULL",""]`,
		"ARRAY[1.50, 'NaN']::numeric[]":                         `[1.50,null]`,
		"ARRAY[0.1]::float8[]":                                  `[0.1]`,
		"ARRAY['{\"a\":1}']::jsonb[]":                           `[{"a": 1}]`,
		"ARRAY['{\"a\":1}']::json[]":                            `[{"a":1}]`,
		"ARRAY['2026-01-31']::date[]":                           `["2026-01-31"]`,
		"ARRAY['2026-01-31 1:00Z']::timestamptz[]":              `["2026-01-31T01:00:00Z"]`,
		"ARRAY['\\xff']::bytea[]":                               `["/w=="]`,
		"ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']::uuid[]": `["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]`,
		"ARRAY['1 day']::interval[]":                            `["P1D"]`,
		"ARRAY['10.0.0.1']::inet[]":                             `["10.0.0.1"]`,
		"ARRAY['sad', 'ok \"fine\"', NULL]::mood[]":             `["sad","ok \"fine\"",null]`,
		"ARRAY[5]::positive[]":                                  `[5]`,
		"ARRAY[ROW(1, 'a b')::pair]":                            `["(1,\"a b\")"]`,
		"'[0:1]={sad,sad}'::mood[]":                             `["sad","sad"]`,
		"'{}'::mood[]":                                          `[]`,
		"'{{sad},{sad}}'::mood[]":                               `[["sad"],["sad"]]`,
		"'1 2'::int2vector":                                     `"1 2"`,
	} {
		got := run(t, c, describe(t, c, "SELECT "+sql+" AS v"), Input{})
		if want = `{"v":` + want + `}`; got != want {
			t.Errorf("%s: got %s, want %s", sql, got, want)
		}
		if !stdjson.Valid([]byte(got)) {
			t.Errorf("%s: %s is no JSON", sql, got)
		}
	}
}

func TestInt64Text(t *testing.T) {
	t.Parallel()
	c := open(t)
	s := describe(t, c, "SELECT 1::int8 AS a, 2.50::numeric AS b, 3::int4 AS c, ARRAY[4::int8] AS d, 5.0::float8 AS e")
	s.Int64Text = true
	want := `{"a":"1","b":"2.50","c":3,"d":["4"],"e":5}`
	if got := run(t, c, s, Input{}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestValues holds what becomes of a value that a request brings, for a parameter of each type.
func TestValues(t *testing.T) {
	t.Parallel()
	c := open(t, "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN doc AS jsonb; CREATE DOMAIN positive AS int CHECK (value > 0)")
	for _, tt := range []struct{ typ, value, want string }{
		{"int4", "null", "null"},
		{"int2", "7", "7"}, {"int4", "-7", "-7"}, {"int8", "9223372036854775807", "9223372036854775807"},
		{"int4", `"42"`, "42"}, {"int8", "3.0", "3"}, {"int4", "true", "1"}, {"oid", "5", "5"},
		{"int2", "40000", "22003"}, {"int4", "3000000000", "22003"}, {"int8", "1e30", "22003"}, {"int8", `"99999999999999999999"`, "22003"},
		{"int4", `"x"`, "22P02"}, {"int4", `""`, "22P02"}, {"int4", "1.5", "22P02"}, {"int4", "[1]", "22P02"}, {"oid", "-1", "22003"},
		{"float8", "1", "1"}, {"float8", "1.5", "1.5"}, {"float4", "0.1", "0.1"}, {"float8", `"1.5"`, "1.5"}, {"float8", `"x"`, "22P02"},
		{"float4", "1e300", "22003"}, {"float8", "true", "1"}, {"float8", "{}", "22P02"},
		{"numeric", "5", "5"}, {"numeric", "1.25", "1.25"}, {"numeric", `"12345678901234567890.10"`, "12345678901234567890.10"}, {"numeric", "false", "0"},
		{"numeric", "1e30", "1000000000000000000000000000000"}, {"numeric", `"x"`, "22P02"},
		{"bool", "true", "true"}, {"bool", "false", "false"}, {"bool", `"yes"`, "true"}, {"bool", "1", "true"}, {"bool", `"x"`, "22P02"},
		{"text", `"a\u00fcb"`, `"aüb"`}, {"text", "5", `"5"`}, {"text", "1.5", `"1.5"`}, {"text", "true", `"true"`}, {"text", `[1, 2]`, `"[1, 2]"`}, {"text", `""`, `""`},
		{"text", `"a\u0000b"`, "22021"}, {"uuid", `"a\u0000b"`, "22021"}, {"varchar", `"x"`, `"x"`},
		{"uuid", `"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"`, `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`}, {"uuid", `"x"`, "22P02"}, {"uuid", "5", "22P02"},
		{"timestamptz", `"2026-01-31T12:00:00+02:00"`, `"2026-01-31T10:00:00Z"`}, {"timestamptz", `"x"`, "22007"}, {"timestamptz", `"2026-02-31"`, "22008"},
		{"timestamp", `"2026-01-31T12:00:00Z"`, `"2026-01-31T12:00:00Z"`}, {"date", `"2026-01-31"`, `"2026-01-31"`}, {"time", `"12:00"`, `"12:00:00"`},
		{"interval", `"P1D"`, `"P1D"`}, {"inet", `"10.0.0.1"`, `"10.0.0.1"`},
		{"jsonb", `{"a": [1]}`, `{"a": [1]}`}, {"jsonb", `"x"`, `"x"`}, {"jsonb", "5", "5"}, {"json", "true", "true"}, {"json", `[1, 2]`, `[1, 2]`}, {"jsonb", "null", "null"},
		{"jsonb", `"a\u0000"`, "22021"}, {"jsonb", `{"a": "\u0000"}`, "22P05"},
		{"bytea", `"AP8="`, `"AP8="`}, {"bytea", `"\\x00ff"`, `"AP8="`}, {"bytea", `"?"`, "22P02"},
		{"int[]", "[1, null, -3]", "[1,null,-3]"}, {"int[]", "[]", "[]"}, {"int[]", "[[1,2],[3,4]]", "[[1,2],[3,4]]"}, {"int[]", `"{1,2}"`, "[1,2]"},
		{"int[]", `["x"]`, "22P02"}, {"int[]", "[[1],[2,3]]", "22P02"}, {"int[]", "5", "22P02"}, {"int[]", "{}", "22P02"},
		{"text[]", `["a", "b\"\\,{}", "NULL", null, "", 5, true, {"a": [1, "]"]}]`, `["a","b\"\\,{}","NULL",null,"","5","true","{\"a\": [1, \"]\"]}"]`},
		{"text[]", `["\u0000"]`, "22021"}, {"bytea[]", `["/w==", null]`, `["/w==",null]`}, {"bytea[]", `["?"]`, "22P02"},
		{"jsonb[]", `[{"a": 1}, [1], "x", null, 5]`, `[{"a": 1},[1],"x",null,5]`}, {"mood[]", `["sad", "ok"]`, `["sad","ok"]`},
		{"mood", `"sad"`, `"sad"`}, {"mood", `"mad"`, "22P02"}, {"doc", `"x"`, `"x"`}, {"doc", `{"a":1}`, `{"a": 1}`},
		{"positive", "5", "5"}, {"positive", "-5", "23514"}, {"timestamptz[]", `["2026-01-31T12:00:00Z"]`, `["2026-01-31T12:00:00Z"]`},
	} {
		s := describe(t, c, "SELECT $1::"+tt.typ+" AS v")
		got, err := try(c, s, values(t, tt.value))
		if err != nil {
			got = codeOf(err)
			if strings.HasPrefix(got, "22") != IsUnfit(err) || IsUnfit(err) && c.status != 'I' {
				t.Errorf("%s for %s: %v", tt.value, tt.typ, err)
			}
		} else {
			got = strings.TrimSuffix(strings.TrimPrefix(got, `{"v":`), "}")
		}
		if got != tt.want {
			t.Errorf("%s for %s: got %s (%v), want %s", tt.value, tt.typ, got, err, tt.want)
		}
	}
}
