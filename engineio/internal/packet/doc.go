// Package packet is the codec of Engine.IO: packets, and the payloads that polls carry
// several of them in.
//
//	version 4   4hello<RS>bAQID<RS>2             text, and base64 for bytes
//	version 3   6:4hello6:b4AQID1:2              the same; lengths are UTF-16 units
//	            00 06 FF 4hello 01 04 FF 04 010203   octets; lengths are bytes, one digit a byte
//
// Functions append to the caller's memory or look into it, and keep nothing of it.
package packet
