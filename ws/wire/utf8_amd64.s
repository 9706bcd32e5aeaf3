//go:build !purego

#include "textflag.h"

// func asciiAVX2(p []byte) int
//
// SI p, BX its length, AX how much of it was seen to be ASCII
TEXT ·asciiAVX2(SB), NOSPLIT, $0-32
	MOVQ p_base+0(FP), SI
	MOVQ p_len+8(FP), BX
	XORL AX, AX

	// Four vectors a turn, up to the last place CX where four fit. A byte that is
	// not ASCII has its sign bit set, and VPMOVMSKB collects those.
	MOVQ BX, CX
	SUBQ $128, CX
	JCS  short

turn:
	VMOVDQU   (SI)(AX*1), Y0
	VMOVDQU   32(SI)(AX*1), Y1
	VPOR      64(SI)(AX*1), Y0, Y0
	VPOR      96(SI)(AX*1), Y1, Y1
	VPOR      Y0, Y1, Y0
	VPMOVMSKB Y0, DX
	TESTL     DX, DX
	JNE       done
	ADDQ      $128, AX
	CMPQ      AX, CX
	JLS       turn

	// Single vectors, before the last place CX where one fits.
short:
	LEAQ -32(BX), CX

one:
	CMPQ      AX, CX
	JCC       last
	VMOVDQU   (SI)(AX*1), Y0
	VPMOVMSKB Y0, DX
	TESTL     DX, DX
	JNE       done
	ADDQ      $32, AX
	JMP       one

	// The last 32 bytes, some of them for the second time.
last:
	VMOVDQU   (SI)(CX*1), Y0
	VPMOVMSKB Y0, DX
	TESTL     DX, DX
	JNE       done
	MOVQ      BX, AX

done:
	MOVQ AX, ret+24(FP)
	VZEROUPPER
	RET

// In utf8AVX2 these stay the same:
//
//	Y8  utf8High, Y9 utf8Low, Y10 utf8Next, each in both halves
//	Y11 0x0F
//	Y12 0xE0-0x80: subtracted, it leaves the sign bit of a leading byte of three or four
//	Y13 0xF0-0x80: and of a leading byte of four
//	Y14 0x80
//	Y15 whatever was found wrong, for the end
#define FILL(value, x, y) \
	MOVL         $value, AX \
	VMOVD        AX, x      \
	VPBROADCASTB x, y

// JUDGE finds what is wrong with the 32 bytes in Y0, of which Y1, Y2 and Y3 hold
// the bytes that come one, two and three before. First Y4 becomes what the three
// tables agree on; then Y3 says with its sign bits where a third or fourth byte
// must be, which are to be the bytes that continue a continuation.
#define JUDGE \
	VPSRLW   $4, Y1, Y4  \
	VPAND    Y11, Y4, Y4 \
	VPSHUFB  Y4, Y8, Y4  \
	VPAND    Y11, Y1, Y1 \
	VPSHUFB  Y1, Y9, Y1  \
	VPAND    Y1, Y4, Y4  \
	VPSRLW   $4, Y0, Y0  \
	VPAND    Y11, Y0, Y0 \
	VPSHUFB  Y0, Y10, Y0 \
	VPAND    Y0, Y4, Y4  \
	VPSUBUSB Y12, Y2, Y2 \
	VPSUBUSB Y13, Y3, Y3 \
	VPOR     Y2, Y3, Y3  \
	VPAND    Y14, Y3, Y3 \
	VPXOR    Y3, Y4, Y4  \
	VPOR     Y4, Y15, Y15

// JUDGEAT judges the 32 bytes at the address; three more before it are in p.
#define JUDGEAT(offset, address) \
	VMOVDQU offset+0(address), Y0 \
	VMOVDQU offset-1(address), Y1 \
	VMOVDQU offset-2(address), Y2 \
	VMOVDQU offset-3(address), Y3 \
	JUDGE

// func utf8AVX2(p []byte) bool
//
// SI where the next bytes are, BX the end of p
TEXT ·utf8AVX2(SB), NOSPLIT, $0-25
	MOVQ p_base+0(FP), SI
	MOVQ p_len+8(FP), BX
	ADDQ SI, BX

	VBROADCASTI128 ·utf8High(SB), Y8
	VBROADCASTI128 ·utf8Low(SB), Y9
	VBROADCASTI128 ·utf8Next(SB), Y10
	FILL(0x0F, X11, Y11)
	FILL(0x60, X12, Y12)
	FILL(0x70, X13, Y13)
	FILL(0x80, X14, Y14)
	VPXOR          Y15, Y15, Y15

	// Nothing comes before the first 32 bytes, which is as good as ASCII: zeros.
	// Y4 is sixteen of them and the first half, and VPALIGNR takes its bytes from
	// there for either half.
	VMOVDQU    (SI), Y0
	VPERM2I128 $0x08, Y0, Y0, Y4
	VPALIGNR   $15, Y4, Y0, Y1
	VPALIGNR   $14, Y4, Y0, Y2
	VPALIGNR   $13, Y4, Y0, Y3
	JUDGE
	ADDQ       $32, SI

	// Four vectors a turn, up to the last place CX where four fit. They are
	// passed over if they and the three bytes before them are ASCII.
	LEAQ -128(BX), CX
	CMPQ SI, CX
	JHI  short

turn:
	VMOVDQU   -3(SI), Y0
	VMOVDQU   (SI), Y1
	VPOR      32(SI), Y0, Y0
	VPOR      64(SI), Y1, Y1
	VPOR      96(SI), Y0, Y0
	VPOR      Y0, Y1, Y0
	VPMOVMSKB Y0, AX
	TESTL     AX, AX
	JEQ       next
	JUDGEAT(0, SI)
	JUDGEAT(32, SI)
	JUDGEAT(64, SI)
	JUDGEAT(96, SI)

next:
	ADDQ $128, SI
	CMPQ SI, CX
	JLS  turn

	// Single vectors, before the last place CX where one fits.
short:
	LEAQ -32(BX), CX

one:
	CMPQ SI, CX
	JCC  last
	JUDGEAT(0, SI)
	ADDQ $32, SI
	JMP  one

	// The last 32 bytes, some of them for the second time.
last:
	JUDGEAT(0, CX)

	VPTEST Y15, Y15
	SETEQ  ret+24(FP)
	VZEROUPPER
	RET
