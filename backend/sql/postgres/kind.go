package postgres

import "github.com/jackc/pgx/v5/pgtype"

// kind is how values of a type are read and written.
type kind uint8

const (
	other  kind = iota // in text format; a JSON string
	number             // in text format; a JSON number. Of elements of arrays only
	void
	boolean
	int2
	int4
	int8
	oid
	float4
	float8
	numeric
	text
	uuid
	date
	clock
	timestamp
	timestamptz
	json
	jsonb
	bytea
	array     // in binary format
	textArray // in text format
)

// form is the kind of a type and, for arrays, of its elements.
type form struct{ kind, elem kind }

// firstUser is from where on a type's number is given by each database in its own way (FirstGenbkiObjectId).
const firstUser = 10000

// formOf knows PostgreSQL's own types by their numbers, which never change.
func formOf(typ uint32) form {
	if k := scalarOf(typ); k != other {
		return form{kind: k}
	}
	switch typ {
	case pgtype.BoolArrayOID:
		return form{array, boolean}
	case pgtype.Int2ArrayOID:
		return form{array, int2}
	case pgtype.Int4ArrayOID:
		return form{array, int4}
	case pgtype.Int8ArrayOID:
		return form{array, int8}
	case pgtype.OIDArrayOID:
		return form{array, oid}
	case pgtype.Float4ArrayOID:
		return form{array, float4}
	case pgtype.Float8ArrayOID:
		return form{array, float8}
	case pgtype.NumericArrayOID:
		return form{array, numeric}
	case pgtype.TextArrayOID, pgtype.VarcharArrayOID, pgtype.BPCharArrayOID, pgtype.NameArrayOID:
		return form{array, text}
	case pgtype.UUIDArrayOID:
		return form{array, uuid}
	case pgtype.DateArrayOID:
		return form{array, date}
	case pgtype.TimeArrayOID:
		return form{array, clock}
	case pgtype.TimestampArrayOID:
		return form{array, timestamp}
	case pgtype.TimestamptzArrayOID:
		return form{array, timestamptz}
	case pgtype.JSONArrayOID:
		return form{array, json}
	case pgtype.JSONBArrayOID:
		return form{array, jsonb}
	case pgtype.ByteaArrayOID:
		return form{array, bytea}
	case pgtype.IntervalArrayOID, pgtype.InetArrayOID, pgtype.CIDRArrayOID, pgtype.MacaddrArrayOID, pgtype.TimetzArrayOID,
		pgtype.BitArrayOID, pgtype.VarbitArrayOID, pgtype.XMLArrayOID, pgtype.JSONPathArrayOID, pgtype.QCharArrayOID,
		pgtype.Int4rangeArrayOID, pgtype.Int8rangeArrayOID, pgtype.NumrangeArrayOID, pgtype.TsrangeArrayOID, pgtype.TstzrangeArrayOID,
		pgtype.DaterangeArrayOID, pgtype.PointArrayOID:
		return form{textArray, other}
	}
	return form{}
}

func scalarOf(typ uint32) kind {
	switch typ {
	case pgtype.BoolOID:
		return boolean
	case pgtype.Int2OID:
		return int2
	case pgtype.Int4OID:
		return int4
	case pgtype.Int8OID:
		return int8
	case pgtype.OIDOID:
		return oid
	case pgtype.Float4OID:
		return float4
	case pgtype.Float8OID:
		return float8
	case pgtype.NumericOID:
		return numeric
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.UnknownOID:
		return text
	case pgtype.UUIDOID:
		return uuid
	case pgtype.DateOID:
		return date
	case pgtype.TimeOID:
		return clock
	case pgtype.TimestampOID:
		return timestamp
	case pgtype.TimestamptzOID:
		return timestamptz
	case pgtype.JSONOID:
		return json
	case pgtype.JSONBOID:
		return jsonb
	case pgtype.ByteaOID:
		return bytea
	case voidOID:
		return void
	}
	return other
}

const voidOID = 2278

// format is that in which values are asked for: 1 is binary.
func (k kind) format() byte {
	switch k {
	case other, number, textArray, void:
		return 0
	}
	return 1
}
