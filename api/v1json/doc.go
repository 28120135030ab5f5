// Package v1json is the one JSON form of api/v1 messages: REST answers, SSE
// data and the CLI's -o json are made here, and REST bodies are read here.
// (Connect's own JSON stays protojson, as its clients expect.)
//
// It promises:
//
//  1. A message is an object with its fields in the order of the .proto file,
//     names in lowerCamelCase, without spaces; the same message always gives
//     the same bytes.
//  2. 64-bit integers are numbers; an enum value is its lower-case word
//     without the type's prefix (PEER_STATUS_ALIVE is "alive"); a Timestamp is
//     RFC 3339 in UTC with as many decimals as it needs; a Struct is plain
//     JSON; bytes are base64; a double is written as short as it reads back; a
//     map has its keys sorted.
//  3. A field without presence is always written, zero or not: empty lists are
//     [], empty maps {}. What has presence (messages, optional fields) and is
//     not set is left out, and so is an enum that is unspecified.
//  4. Reading is strict: an unknown field, a field given twice, a value of the
//     wrong type and anything after the value are an [*Error] that names the
//     field and says what is allowed. What [Append] wrote, [Unmarshal] reads.
//
// It does no validation beyond types, and no I/O.
package v1json
