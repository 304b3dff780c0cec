package shard_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluiceapi/sluice/shard"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func intKeys(r *rand.Rand) (keys []string) {
	for _, n := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt32, math.MinInt32, math.MaxInt32 + 1,
		math.MinInt32 - 1, math.MaxUint32, -math.MaxUint32, 1 << 53} {
		keys = append(keys, strconv.FormatInt(n, 10))
	}
	for range 2000 {
		n := int64(r.Uint64())
		keys = append(keys, strconv.FormatInt(n, 10), strconv.FormatInt(n>>r.IntN(64), 10))
	}
	return keys
}

func textKeys(r *rand.Rand) (keys []string) {
	alphabet := []rune("abcXYZ019 -'\\\"ä€漢🙂\n\u00a0\u0301")
	for n := range 4000 {
		text := make([]rune, n%100)
		for i := range text {
			text[i] = alphabet[r.IntN(len(alphabet))]
		}
		keys = append(keys, string(text))
	}
	return append(keys, strings.Repeat("long", 25_000))
}

func uuidKeys(r *rand.Rand) (keys []string) {
	keys = []string{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}
	for range 4000 {
		b := make([]byte, 16)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		keys = append(keys, hex.EncodeToString(b))
	}
	return keys
}

// TestPostgres holds that slots are PostgreSQL's own: the partition that a row goes into, and the expression.
func TestPostgres(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{})
	for _, c := range []struct {
		typ    shard.Type
		column string
		keys   func(*rand.Rand) []string
	}{{shard.Int8, "bigint", intKeys}, {shard.Text, "text", textKeys}, {shard.Text, "varchar", textKeys}, {shard.UUID, "uuid", uuidKeys}} {
		t.Run(c.column, func(t *testing.T) {
			t.Parallel()
			keys := c.keys(rand.New(rand.NewPCG(1, 2)))
			var values strings.Builder
			for i, key := range keys {
				slot, err := c.typ.Slot([]byte(key))
				if err != nil {
					t.Fatalf("%q: %v", key, err)
				}
				if i > 0 {
					values.WriteByte(',')
				}
				fmt.Fprintf(&values, "(%s::%s, %d)", quote(key), c.column, slot)
			}
			rows := p.Rows("postgres", fmt.Sprintf(`
				CREATE TABLE in_%[1]s (k %[1]s) PARTITION BY HASH (k);
				SELECT count(*), count(*) FILTER (WHERE satisfies_hash_partition('in_%[1]s'::regclass, 4096, slot, k)),
				       count(*) FILTER (WHERE satisfies_hash_partition('in_%[1]s'::regclass, 8, slot %% 8, k)),
				       count(*) FILTER (WHERE %[2]s = slot)
				FROM (VALUES %[3]s) AS v (k, slot)`, c.column, c.typ.Expression("k"), values.String()))
			for i, what := range []string{"rows", "partitions of 4096", "partitions of 8", "expressions"} {
				if rows[0][i] != strconv.Itoa(len(keys)) {
					t.Errorf("%s: %s of %d are equal", what, rows[0][i], len(keys))
				}
			}
		})
	}
	t.Run("smaller integers", func(t *testing.T) {
		t.Parallel()
		for _, typ := range []string{"int4", "int2"} {
			got := p.Value(fmt.Sprintf(`SELECT count(*) FROM generate_series(-300, 300) AS n
				WHERE %s <> %s`, shard.Int8.Expression("n::"+typ), shard.Int8.Expression("n::int8")))
			if got != "0" {
				t.Errorf("%s of 601 hash otherwise as %s", got, typ)
			}
		}
	})
	t.Run("row filter", func(t *testing.T) {
		t.Parallel()
		p.Exec(`CREATE TABLE moved (a int PRIMARY KEY, b text, c uuid)`)
		for i, e := range []string{shard.Int8.Expression("a"), shard.Text.Expression("b"), shard.UUID.Expression("c")} {
			p.Exec(fmt.Sprintf("CREATE PUBLICATION p%d FOR TABLE moved WHERE (%s BETWEEN 7 AND 9)", i, e))
		}
	})
	t.Run("what a uuid is", func(t *testing.T) {
		t.Parallel()
		p.Exec(`CREATE FUNCTION read(t text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN t::uuid::text;
			EXCEPTION WHEN invalid_text_representation THEN RETURN 'none'; END $$`)
		for _, key := range uuidForms {
			want := p.Value("SELECT read(" + quote(key) + ")")
			got := "none"
			if id, err := shard.ParseUUID(key); err == nil {
				h := hex.EncodeToString(id[:])
				got = h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
			}
			if got != want {
				t.Errorf("%q is %s, want %s", key, got, want)
			}
		}
	})
}

var uuidForms = []string{
	"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
	"a0eebc999c0b4ef8bb6d6bb9bd380a11", "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11", "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
	"", "{", "}", "{}", "-", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
	"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11-", "-a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
	"a0-eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
	" a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11 ", "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
	"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1@", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1`", "{{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}}",
	"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380aä",
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  shard.Type
		key  string
		want string // what the error says
	}{
		{shard.Int8, "9223372036854775808", "no int8"},
		{shard.Int8, "-9223372036854775809", "no int8"},
		{shard.Int8, "", "no int8"},
		{shard.Int8, "-", "no int8"},
		{shard.Int8, " 1", "no int8"},
		{shard.Int8, "1.0", "no int8"},
		{shard.Int8, "0x1", "no int8"},
		{shard.Text, "a\x00b", "no text"},
		{shard.Text, "\xff", "no text"},
		{shard.UUID, "1", "no uuid"},
		{"numeric", "1", "no keys of this type"},
	} {
		if _, err := c.typ.Slot([]byte(c.key)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want an error that says %q", c.typ, c.key, err, c.want)
		}
	}
	if err := shard.Type("int4").Check(); err == nil {
		t.Error("int4 is a type")
	}
	if err := shard.UUID.Check(); err != nil {
		t.Error(err)
	}
}

// TestSpread holds the figures that the decision page states.
func TestSpread(t *testing.T) {
	t.Parallel()
	const keys = 200_000
	var counts [shard.Slots]int
	for id := range int64(keys) {
		counts[shard.SlotOfInt(id+1)]++
	}
	if least, most := slices.Min(counts[:]), slices.Max(counts[:]); least != 19 || most != 73 {
		t.Errorf("ids in turn: %d to %d keys a slot, want 19 to 73", least, most)
	}
	for shards, limit := range map[int]float64{2: 1.005, 3: 1.005, 8: 1.02, 16: 1.03} {
		var names []string
		for i := range shards {
			names = append(names, fmt.Sprint(i+10))
		}
		m, err := shard.Even(names)
		if err != nil {
			t.Fatal(err)
		}
		sums := make([]int, shards)
		for slot, n := range counts {
			sums[m.Shard(shard.Slot(slot))] += n
		}
		ratio := float64(slices.Max(sums)) * float64(shards) / keys
		t.Logf("%d shards: the largest has %.4f of the mean", shards, ratio)
		if ratio > limit {
			t.Errorf("%d shards: the largest has %.4f of the mean, want %.3f at most", shards, ratio, limit)
		}
	}
}

func TestAlloc(t *testing.T) {
	m, err := shard.Even([]string{"a", "b", "c"})
	if err != nil {
		t.Fatal(err)
	}
	number, text, id, broken := []byte("-1234567890123"), []byte("a tenant's long name, in UTF-8: ä"), []byte(uuidForms[0]), []byte("x")
	if n := testing.AllocsPerRun(100, func() {
		for typ, key := range map[shard.Type][]byte{shard.Int8: number, shard.Text: text, shard.UUID: id} {
			slot, err := typ.Slot(key)
			if err != nil || m.Name(slot) == "" {
				t.Fatal(err)
			}
		}
		shard.UUID.Slot(broken)
		shard.Int8.Slot(broken)
	}); n != 0 && !raceEnabled {
		t.Errorf("placing keys allocates %v times", n)
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range append([]string{"1", "-1", "+7", "0007", "9223372036854775807", "-9223372036854775808", "99999999999999999999"}, uuidForms...) {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		want, wantErr := strconv.ParseInt(key, 10, 64)
		got, err := shard.Int8.Slot([]byte(key))
		if (err == nil) != (wantErr == nil) || err == nil && got != shard.SlotOfInt(want) {
			t.Errorf("int8 %q: slot %d %v, want that of %d %v", key, got, err, want, wantErr)
		}
		if _, err := shard.Text.Slot([]byte(key)); (err == nil) != (utf8.ValidString(key) && !strings.Contains(key, "\x00")) {
			t.Errorf("text %q: %v", key, err)
		}
		id, err := shard.ParseUUID(key)
		if err != nil {
			return
		}
		digits := strings.ToLower(strings.Trim(strings.ReplaceAll(key, "-", ""), "{}"))
		if digits != hex.EncodeToString(id[:]) {
			t.Errorf("uuid %q is read as %x", key, id)
		}
	})
}

func BenchmarkSlot(b *testing.B) {
	for typ, key := range map[shard.Type]string{shard.Int8: "1234567890", shard.Text: "tenant-4711", shard.UUID: uuidForms[0]} {
		b.Run(string(typ), func(b *testing.B) {
			b.ReportAllocs()
			k := []byte(key)
			for b.Loop() {
				typ.Slot(k)
			}
		})
	}
}
