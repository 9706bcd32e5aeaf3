//go:build !purego

package wire

// asciiAVX2 returns the length of a prefix of p that is plain ASCII; all of p if
// there is nothing else in it. It stops up to 127 bytes early. p must have at
// least 32 bytes.
//
//go:noescape
func asciiAVX2(p []byte) int

// utf8AVX2 reports whether every byte of p may follow those before it. That is
// valid UTF-8, unless p ends within a character or with a byte that cannot lead
// one: what is wrong with the last byte shows only in the next. p must have at
// least 35 bytes.
//
// A byte and the one before it have three nibbles that matter, and each nibble
// alone says which of eight things can be the matter with the pair. What all
// three agree on is the matter: the tables below are indexed by one nibble each,
// and the answers are combined with AND. A vector does this for 32 bytes at
// once. The way is described by John Keiser and Daniel Lemire in "Validating
// UTF-8 In Less Than One Instruction Per Byte" (Software: Practice and
// Experience 51, 2021).
//
//	before     byte
//	1110 0000  1001 1111    E0 9F: utf8High[E] & utf8Low[0] & utf8Next[9] = overlong3
//
// The eighth, a continuation after a continuation, is an error or not, as one of
// the two bytes before those says: a third byte must be exactly where a leading
// byte of three or four came two before it, or one of four three before it.
//
//go:noescape
func utf8AVX2(p []byte) bool

// What can be the matter with two bytes that follow each other.
const (
	tooShort  = 1 << iota // a leading byte, and no continuation after it
	tooLong               // ASCII, and a continuation after it
	overlong2             // C0 or C1: U+007F or less in two bytes
	overlong3             // E0 80 to E0 9F: U+07FF or less in three
	surrogate             // ED A0 to ED BF: U+D800 to U+DFFF
	tooLarge              // F4 or more, before 90 or more: above U+10FFFF
	overlong4             // F0 80 to F0 8F: U+FFFF or less in four. And too large ones: F5 or more before 80 to 8F
	continued             // a continuation after a continuation; the sign bit, which utf8AVX2 compares
)

// utf8High is what the high nibble of the byte before leaves possible.
var utf8High = [16]byte{
	0x0: tooLong, 0x1: tooLong, 0x2: tooLong, 0x3: tooLong,
	0x4: tooLong, 0x5: tooLong, 0x6: tooLong, 0x7: tooLong,
	0x8: continued, 0x9: continued, 0xA: continued, 0xB: continued,
	0xC: tooShort | overlong2,
	0xD: tooShort,
	0xE: tooShort | overlong3 | surrogate,
	0xF: tooShort | tooLarge | overlong4,
}

// utf8Low is what its low nibble leaves possible. Three do not depend on it.
var utf8Low = [16]byte{
	0x0: tooShort | tooLong | continued | overlong2 | overlong3 | overlong4,
	0x1: tooShort | tooLong | continued | overlong2,
	0x2: tooShort | tooLong | continued,
	0x3: tooShort | tooLong | continued,
	0x4: tooShort | tooLong | continued | tooLarge,
	0x5: tooShort | tooLong | continued | tooLarge | overlong4,
	0x6: tooShort | tooLong | continued | tooLarge | overlong4,
	0x7: tooShort | tooLong | continued | tooLarge | overlong4,
	0x8: tooShort | tooLong | continued | tooLarge | overlong4,
	0x9: tooShort | tooLong | continued | tooLarge | overlong4,
	0xA: tooShort | tooLong | continued | tooLarge | overlong4,
	0xB: tooShort | tooLong | continued | tooLarge | overlong4,
	0xC: tooShort | tooLong | continued | tooLarge | overlong4,
	0xD: tooShort | tooLong | continued | tooLarge | overlong4 | surrogate,
	0xE: tooShort | tooLong | continued | tooLarge | overlong4,
	0xF: tooShort | tooLong | continued | tooLarge | overlong4,
}

// utf8Next is what the high nibble of the byte itself leaves possible.
var utf8Next = [16]byte{
	0x0: tooShort, 0x1: tooShort, 0x2: tooShort, 0x3: tooShort,
	0x4: tooShort, 0x5: tooShort, 0x6: tooShort, 0x7: tooShort,
	0x8: tooLong | continued | overlong2 | overlong3 | overlong4,
	0x9: tooLong | continued | overlong2 | overlong3 | tooLarge,
	0xA: tooLong | continued | overlong2 | surrogate | tooLarge,
	0xB: tooLong | continued | overlong2 | surrogate | tooLarge,
	0xC: tooShort, 0xD: tooShort, 0xE: tooShort, 0xF: tooShort,
}
