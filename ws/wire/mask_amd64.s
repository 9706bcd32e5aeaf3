//go:build !purego

#include "textflag.h"

// func maskAVX2(b []byte, key uint32)
//
// The middle of b begins and ends at addresses that are multiples of 32. What is
// left at both ends is done with whole vectors too, which overlap the middle:
//
//	b        [head..........]                 [..........tail]
//	middle          |first.........|...............|
//	               32             64   …          32·n
//
// XOR twice would undo itself. So the head and the first vector of the middle
// are both read before either is written, and likewise the tail and the last.
// Where they overlap they write the same bytes.
//
// DI b, R9 tail, DX next of the middle, CX bytes left of it, Y0 key on the middle
TEXT ·maskAVX2(SB), NOSPLIT, $0-28
	MOVQ b_base+0(FP), DI
	MOVQ b_len+8(FP), SI
	MOVL key+24(FP), AX
	ADDQ DI, SI
	LEAQ -32(SI), R9
	LEAQ 32(DI), DX
	ANDQ $~31, DX
	ANDQ $~31, SI

	// The head has the key as it is; elsewhere the key is turned by the distance
	// from b, eight bits a byte. The processor takes the count modulo 32.
	VMOVD        AX, X1
	VPBROADCASTD X1, Y1
	MOVQ         R9, CX
	SUBQ         DI, CX
	SHLL         $3, CX
	MOVL         AX, BX
	RORL         CX, BX
	VMOVD        BX, X2
	VPBROADCASTD X2, Y2
	MOVQ         DX, CX
	SUBQ         DI, CX
	SHLL         $3, CX
	RORL         CX, AX
	VMOVD        AX, X0
	VPBROADCASTD X0, Y0

	// The head, and the first vector of the middle.
	VPXOR   (DI), Y1, Y1
	VPXOR   (DX), Y0, Y3
	VMOVDQU Y1, (DI)
	VMOVDQA Y3, (DX)
	ADDQ    $32, DX

	// Four vectors a turn, as long as more than four are left. With 96 bytes or
	// more in b there is at least one left.
	MOVQ SI, CX
	SUBQ DX, CX
	SUBQ $128, CX
	JLS  rest

turn:
	VPXOR   (DX), Y0, Y3
	VPXOR   32(DX), Y0, Y4
	VPXOR   64(DX), Y0, Y5
	VPXOR   96(DX), Y0, Y6
	VMOVDQA Y3, (DX)
	VMOVDQA Y4, 32(DX)
	VMOVDQA Y5, 64(DX)
	VMOVDQA Y6, 96(DX)
	ADDQ    $128, DX
	SUBQ    $128, CX
	JHI     turn

	// One to four vectors, and the tail.
rest:
	VPXOR (R9), Y2, Y2
	ADDQ  $128, CX

one:
	VPXOR   (DX), Y0, Y3
	VMOVDQA Y3, (DX)
	ADDQ    $32, DX
	SUBQ    $32, CX
	JNE     one

	VMOVDQU Y2, (R9)
	VZEROUPPER
	RET
