#include "net/mail/mime.h"

#include "core/err.h"
#include "net/mail/dot.h"
#include "net/mail/unstuff.h"
#include "net/mail/wrap.h"
#include "tests/test.h"
#include "tests/unit/net/mail/mime_reference.h"
#include "tests/unit/net/mail/mime_run.h"

#define CTE	"Content-Transfer-Encoding: "
#define CT	"Content-Type: "
#define TEXT8	CT "text/plain; charset=utf-8\r\n" CTE "8bit\r\n\r\n\xc3\xa9\r\n"
#define TEXTQ	CT "text/plain; charset=utf-8\r\n" CTE "quoted-printable\r\n\r\n=C3=A9\r\n"
#define X10	"xxxxxxxxxx"
#define X70	X10 X10 X10 X10 X10 X10 X10
#define X73	X70 "xxx"
#define FINE	MIME_NO_TROUBLE

struct mime_case {
	const char *claim;
	const char *in;
	const char *out;	/* NULL: the same; of a failure, what has gone out before */
	enum mime_trouble trouble;
};

static const struct mime_case cases[] = {
	{ "case 493: the header moves to the end of its block",
	  CTE "8bit\r\nSubject: x\r\n\r\n\xc3\xa9\r\n",
	  "Subject: x\r\n" CTE "quoted-printable\r\n\r\n=C3=A9\r\n", FINE },
	{ "case 497: without MIME headers nothing is added", "Subject: x\r\n\r\n\xc3\xa9 =\r\n", NULL, FINE },
	{ "case 498: what is labelled 8bit is encoded, ASCII or not",
	  CTE "8bit\r\n\r\na=b\r\n", CTE "quoted-printable\r\n\r\na=3Db\r\n", FINE },
	{ "case 499: binary, too", CT "text/plain\r\n" CTE "binary\r\n\r\na=b\r\n",
	  CT "text/plain\r\n" CTE "quoted-printable\r\n\r\na=3Db\r\n", FINE },
	{ "case 500: base64 stays, header and all", "A: b\r\n" CTE "base64\r\nC: d\r\n\r\nw6k=\r\n", NULL, FINE },
	{ "case 500: quoted-printable, too", CTE "Quoted-Printable\r\nC: d\r\n\r\na=3Db\xc3\xa9\r\n", NULL, FINE },
	{ "case 501: an encoding nobody knows", CTE "x-unknown\r\nC: d\r\n\r\na=b\xc3\xa9\r\n", NULL, FINE },
	{ "case 502: a comment in front and behind", CTE "(x) 8Bit (comment)\r\n\r\n=\r\n",
	  CTE "quoted-printable\r\n\r\n=3D\r\n", FINE },
	{ "case 502: a quoted string is no token", CTE "\"8bit\"\r\n\r\n=\xc3\xa9\r\n", NULL, FINE },
	{ "case 503: a header and nothing else", CTE "8bit\r\nA: b\r\n", "A: b\r\n" CTE "quoted-printable\r\n", FINE },
	{ "a header whose line does not even end", CTE "8bit\r\nA: b", "A: b\r\n" CTE "quoted-printable\r\n", FINE },
	{ "case 504: 8bit twice", CTE "8bit\r\nA: b\r\n" CTE "8bit\r\n\r\n=\r\n",
	  "A: b\r\n" CTE "quoted-printable\r\n\r\n=3D\r\n", FINE },
	{ "case 504: base64 and later 8bit", CTE "base64\r\nA: b\r\n" CTE "8bit\r\nC: d\r\n\r\n=\r\n",
	  "A: b\r\nC: d\r\n" CTE "quoted-printable\r\n\r\n=3D\r\n", FINE },
	{ "case 504: 8bit and later base64", CTE "8bit\r\nA: b\r\n" CTE "base64\r\nC: d\r\n\r\n=\r\n",
	  "A: b\r\nC: d\r\n" CTE "base64\r\n\r\n=\r\n", FINE },
	{ "an unknown one between them does not count", CTE "8bit\r\n" CTE "x\r\n\r\n=\r\n",
	  CTE "x\r\n" CTE "quoted-printable\r\n\r\n=3D\r\n", FINE },
	{ "case 505: another type is a leaf, in a digest, too",
	  CT "multipart/digest; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\n" CT "application/pdf\r\n" CTE "8bit\r\n\r\n"
	  "A: \xc3\xa9\r\n--b--\r\n",
	  CT "multipart/digest; boundary=b\r\n" CTE "7bit\r\n\r\n--b\r\n" CT "application/pdf\r\n"
	  CTE "quoted-printable\r\n\r\nA: =C3=A9\r\n--b--\r\n", FINE },
	{ "case 506: parts of all sorts, and what is around them",
	  CT "multipart/mixed; boundary=b\r\n" CTE "8bit\r\n\r\npre=\r\n--b\r\n" CTE "7bit\r\n\r\n7=\r\n--b\r\n" TEXT8
	  "--b\r\n" CTE "base64\r\n\r\nw6k=\r\n--b--\r\nepi=\r\n",
	  CT "multipart/mixed; boundary=b\r\n" CTE "7bit\r\n\r\npre=\r\n--b\r\n" CTE "7bit\r\n\r\n7=\r\n--b\r\n" TEXTQ
	  "--b\r\n" CTE "base64\r\n\r\nw6k=\r\n--b--\r\nepi=\r\n", FINE },
	{ "case 507: multipart/alternative inside of multipart/mixed",
	  CT "multipart/mixed; boundary=o\r\n" CTE "8bit\r\n\r\n--o\r\n" CT "multipart/alternative; boundary=i\r\n" CTE
	  "8bit\r\n\r\n--i\r\n" TEXT8 "--i\r\n" TEXT8 "--i--\r\n=\r\n--o\r\n" TEXT8 "--o--\r\n",
	  CT "multipart/mixed; boundary=o\r\n" CTE "7bit\r\n\r\n--o\r\n" CT "multipart/alternative; boundary=i\r\n" CTE
	  "7bit\r\n\r\n--i\r\n" TEXTQ "--i\r\n" TEXTQ "--i--\r\n=\r\n--o\r\n" TEXTQ "--o--\r\n", FINE },
	{ "case 508: an attached message is looked into",
	  CT "multipart/mixed; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\n" CT "message/rfc822\r\n" CTE "8bit\r\n\r\n"
	  "Subject: y\r\n" TEXT8 "--b--\r\n",
	  CT "multipart/mixed; boundary=b\r\n" CTE "7bit\r\n\r\n--b\r\n" CT "message/rfc822\r\n" CTE "7bit\r\n\r\n"
	  "Subject: y\r\n" TEXTQ "--b--\r\n", FINE },
	{ "case 509: a part of a digest is a message",
	  CT "multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: y\r\n" TEXT8 "--b--\r\n",
	  CT "multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: y\r\n" TEXTQ "--b--\r\n", FINE },
	{ "case 510: message/global is encoded as a whole",
	  CT "message/global\r\n" CTE "8bit\r\n\r\nSubject: \xc3\xa9\r\n" CTE "8bit\r\n\r\n=\r\n",
	  CT "message/global\r\n" CTE "quoted-printable\r\n\r\nSubject: =C3=A9\r\n" CTE "8bit\r\n\r\n=3D\r\n", FINE },
	{ "a message/global that is 7bit is looked into",
	  CT "message/global\r\n\r\nSubject: x\r\n" CTE "8bit\r\n\r\n=\r\n",
	  CT "message/global\r\n\r\nSubject: x\r\n" CTE "quoted-printable\r\n\r\n=3D\r\n", FINE },
	{ "case 511: message/partial cannot be converted", "A: b\r\n" CT "message/partial; id=1\r\n" CTE "8bit\r\n\r\nx\r\n",
	  "A: b\r\n" CT "message/partial; id=1\r\n", MIME_NOT_CONVERTIBLE },
	{ "case 511: nor message/external-body", CT "message/external-body\r\n" CTE "binary\r\n\r\nx\r\n",
	  CT "message/external-body\r\n", MIME_NOT_CONVERTIBLE },
	{ "when it is 7bit, it need not be", CT "message/partial; id=1\r\n" CTE "7bit\r\n\r\n\xc3\xa9\r\n", NULL, FINE },
	{ "case 512: any other message is a leaf", CT "message/delivery-status\r\n" CTE "8bit\r\n\r\nA: =\r\n\r\nB: c\r\n",
	  CT "message/delivery-status\r\n" CTE "quoted-printable\r\n\r\nA: =3D\r\n\r\nB: c\r\n", FINE },
	{ "case 513: a multipart without a boundary", CT "multipart/mixed\r\n" CTE "8bit\r\n\r\n--\r\n" CTE "8bit\r\n\r\n=\r\n",
	  CT "multipart/mixed\r\n" CTE "7bit\r\n\r\n--\r\n" CTE "8bit\r\n\r\n=\r\n", FINE },
	{ "HDR-01: an empty boundary is none", CT "multipart/mixed; boundary=\"\"\r\n" CTE "8bit\r\n\r\n--\r\n" CTE
	  "8bit\r\n\r\n=\r\n", CT "multipart/mixed; boundary=\"\"\r\n" CTE "7bit\r\n\r\n--\r\n" CTE "8bit\r\n\r\n=\r\n", FINE },
	{ "case 514: quoted, with comments, folded",
	  CT "(a(b)\\)) multipart/(c)mixed; charset=x;\r\n\tboundary (;) =\r\n \"a \\\"b; c\"\r\n" CTE
	  "8bit\r\n\r\n--a \"b; c\r\n" TEXT8 "--a \"b; c--\r\n=\r\n",
	  CT "(a(b)\\)) multipart/(c)mixed; charset=x;\r\n\tboundary (;) =\r\n \"a \\\"b; c\"\r\n" CTE
	  "7bit\r\n\r\n--a \"b; c\r\n" TEXTQ "--a \"b; c--\r\n=\r\n", FINE },
	{ "case 515: what begins like a boundary is one",
	  CT "multipart/mixed; boundary=boundary\r\n\r\n--boundaryXYZ\r\n" TEXT8 "--boundary-- \r\n\xc3\xa9\r\n",
	  CT "multipart/mixed; boundary=boundary\r\n\r\n--boundaryXYZ\r\n" TEXTQ "--boundary-- \r\n\xc3\xa9\r\n", FINE },
	{ "what begins like less than a boundary is none",
	  CT "multipart/mixed; boundary=bound\r\n\r\n--bound\r\n" CTE "8bit\r\n\r\n--boun\r\n-\r\n--\r\n-bound\r\n=\r\n--bo",
	  CT "multipart/mixed; boundary=bound\r\n\r\n--bound\r\n" CTE
	  "quoted-printable\r\n\r\n--boun\r\n-\r\n--\r\n-bound\r\n=3D\r\n--bo\r\n", FINE },
	{ "case 516: the outer boundary closes what is inside",
	  CT "multipart/mixed; boundary=o\r\n\r\n--o\r\n" CT "multipart/mixed; boundary=i\r\n\r\n--i\r\n" TEXT8 "--o\r\n" TEXT8
	  "--i\r\n=\r\n--o--\r\n",
	  CT "multipart/mixed; boundary=o\r\n\r\n--o\r\n" CT "multipart/mixed; boundary=i\r\n\r\n--i\r\n" TEXTQ "--o\r\n" TEXTQ
	  "--i\r\n=3D\r\n--o--\r\n", FINE },
	{ "case 520: an empty line goes in front of what is no header", "A: b\r\nno header\r\nC: d\r\n",
	  "A: b\r\n\r\nno header\r\nC: d\r\n", FINE },
	{ "case 520: in front of everything, too", "no header: x\r\n", "\r\nno header: x\r\n", FINE },
	{ "case 520: behind the new label", CTE "8bit\r\n=x y:\r\n", CTE "quoted-printable\r\n\r\n=3Dx y:\r\n", FINE },
	{ "case 521: not in the headers of a part",
	  CT "multipart/mixed; boundary=b\r\n\r\n--b\r\nA: b\r\nno header\r\nC: d\r\n--b--\r\n", NULL, FINE },
	{ "case 521: what is no header does not become one by being encoded",
	  CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n" CTE "8bit\r\n\xc3\xa9:a:b\r\nc:d\r\n--b--\r\n",
	  CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n" CTE "quoted-printable\r\n=C3=A9=3Aa=3Ab\r\nc:d\r\n--b--\r\n", FINE },
	{ "a part that ends where its header should",
	  CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n" CTE "8bit\r\n--b\r\n" CTE "8bit\r\n",
	  CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n" CTE "quoted-printable\r\n--b\r\n" CTE "quoted-printable\r\n", FINE },
	{ "a blank in front of a colon, and none in a name", "A \t: b\r\n" CTE "8bit\r\nB c: d\r\n\r\n\r\n",
	  "A \t: b\r\n" CTE "quoted-printable\r\n\r\nB c: d\r\n\r\n\r\n", FINE },
	{ "a line that begins with a blank belongs to the header before", CTE "\r\n 8bit\r\n (x)\r\nA: b\r\n c\r\n\r\n=\r\n",
	  "A: b\r\n c\r\n" CTE "quoted-printable\r\n\r\n=3D\r\n", FINE },
	{ "and to none when there is none", " 8bit\r\nA: b\r\n", "\r\n 8bit\r\nA: b\r\n", FINE },
	{ "a dot is not stuffed here, and From is no line of its own", CTE "8bit\r\n\r\n.\r\nFrom x\r\n",
	  CTE "quoted-printable\r\n\r\n.\r\nFrom x\r\n", FINE },
	{ "case 531: 8-bit octets in a header stay", "Subject: \xc3\xa9\r\n" CTE "8bit\r\n\r\n\r\n",
	  "Subject: \xc3\xa9\r\n" CTE "quoted-printable\r\n\r\n\r\n", FINE },
	/* B 16.5 has it converted all the same. HDR-02 and the issue go before: a signature is not broken. */
	{ "case 532, HDR-02: a signed part that is 8bit",
	  CT "multipart/signed; boundary=b\r\n" CTE "8bit\r\n\r\n--b\r\n" TEXT8 "--b--\r\n",
	  CT "multipart/signed; boundary=b\r\n" CTE "7bit\r\n\r\n--b\r\n" CT "text/plain; charset=utf-8\r\n", MIME_SEALED },
	{ "HDR-02: an encrypted one, deeper",
	  CT "Multipart/Encrypted; boundary=b\r\n\r\n--b\r\n" CT "multipart/mixed; boundary=c\r\n\r\n--c\r\n" TEXT8,
	  CT "Multipart/Encrypted; boundary=b\r\n\r\n--b\r\n" CT "multipart/mixed; boundary=c\r\n\r\n--c\r\n"
	  CT "text/plain; charset=utf-8\r\n", MIME_SEALED },
	{ "HDR-02: a message in a signed part",
	  CT "multipart/signed; boundary=b\r\n\r\n--b\r\n" CT "message/rfc822\r\n\r\n" CTE "8bit\r\n\r\n\r\n",
	  CT "multipart/signed; boundary=b\r\n\r\n--b\r\n" CT "message/rfc822\r\n\r\n", MIME_SEALED },
	{ "HDR-02: a multipart in a signed part: its label is signed, too",
	  CT "multipart/signed; boundary=b\r\n\r\n--b\r\n" CT "multipart/mixed; boundary=c\r\n" CTE "8bit\r\n\r\n",
	  CT "multipart/signed; boundary=b\r\n\r\n--b\r\n" CT "multipart/mixed; boundary=c\r\n", MIME_SEALED },
	{ "HDR-02: signed parts that are 7bit pass, and what is beside them is encoded",
	  CT "multipart/mixed; boundary=o\r\n" CTE "8bit\r\n\r\n--o\r\n" CT "multipart/signed; boundary=b\r\n\r\n--b\r\n"
	  CT "text/plain\r\n\r\na=\xc3\xa9 \r\n--b--\r\n=\r\n--o\r\n" TEXT8,
	  CT "multipart/mixed; boundary=o\r\n" CTE "7bit\r\n\r\n--o\r\n" CT "multipart/signed; boundary=b\r\n\r\n--b\r\n"
	  CT "text/plain\r\n\r\na=\xc3\xa9 \r\n--b--\r\n=\r\n--o\r\n" TEXTQ, FINE },
	{ "HDR-02: a message whose text is encoded already is not looked into",
	  CT "message/rfc822\r\n" CTE "quoted-printable\r\n\r\n" CTE "8bit\r\n\r\n=C3=A9\r\n", NULL, FINE },
	{ "HDR-02: a multipart that is mislabelled so is",
	  CT "multipart/mixed; boundary=b\r\n" CTE "base64\r\n\r\n--b\r\n" TEXT8,
	  CT "multipart/mixed; boundary=b\r\n" CTE "base64\r\n\r\n--b\r\n" TEXTQ, FINE },
	{ "a line in the middle of another does not become a boundary",
	  CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n" CTE "8bit\r\n\r\n" X73 "--b\r\n--b--\r\n",
	  CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n" CTE "quoted-printable\r\n\r\n" X73 "=\r\n=2D-b\r\n--b--\r\n", FINE },
	{ "nor does what looks like one when it is encoded",
	  CT "multipart/mixed; boundary=\"a=3Db\"\r\n\r\n--a=3Db\r\n" CTE "8bit\r\n\r\n--a=b\r\n--a=3Db--\r\n",
	  CT "multipart/mixed; boundary=\"a=3Db\"\r\n\r\n--a=3Db\r\n" CTE "quoted-printable\r\n\r\n=2D-a=3Db\r\n--a=3Db--\r\n", FINE },
	{ "every boundary parameter counts, and no part of one does",
	  CT "multipart/mixed; boundary=a; boundary=b; boundary*0=c\r\n\r\n--b\r\n" TEXT8 "--a\r\n" TEXT8 "--c\r\n" TEXT8,
	  CT "multipart/mixed; boundary=a; boundary=b; boundary*0=c\r\n\r\n--b\r\n" TEXTQ "--a\r\n" TEXTQ "--c\r\n"
	  CT "text/plain; charset=3Dutf-8\r\n" CTE "8bit\r\n\r\n=C3=A9\r\n", FINE },
	{ "nothing", "", NULL, FINE },
	{ "an empty line", "\r\n", NULL, FINE },
	{ "SMG-06: what is no text is octets",
	  CTE "8bit\r\n\r\n\x80\x9f\xff\xed\xa0\x80\r\n", CTE "quoted-printable\r\n\r\n=80=9F=FF=ED=A0=80\r\n", FINE },
	{ "SMG-06: unlabelled, it passes", "A: b\r\n\r\n\x80\x9f\xff\xed\xa0\x80=\r\n", NULL, FINE },
};

static size_t cut_at(void *context, size_t at, size_t left)
{
	size_t cut = *(size_t *)context;

	return at < cut ? cut - at : left;
}

static size_t cut_one(void *context, size_t at, size_t left)
{
	(void)context;
	(void)at;
	(void)left;
	return 1;
}

static char text_storage[1 << 20], want_storage[4 << 20], out_storage[4 << 20];

static void check(struct mime_run *run, const struct mime_case *c, struct slice in, struct slice want)
{
	struct str out = STR(out_storage);
	int r = mime_run(run, in, &out);

	if (run->mime.structure.trouble != c->trouble || r != (c->trouble == FINE ? (int)STAGE_END : ERR_CONTENT))
		fail_msg("%s: trouble %d, %d", c->claim, (int)run->mime.structure.trouble, r);
	if (!slice_eq(str_slice(&out), want))
		fail_msg("%s: \"%.*s\"", c->claim, SLICE_FMT(str_slice(&out)));
}

static void the_cases(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice in = slice_of_str(cases[i].in);
		struct slice want = cases[i].out != NULL ? slice_of_str(cases[i].out) : in;
		struct mime_run whole = { .conf = mime_run_conf() };
		struct mime_run ones = { .conf = mime_run_conf(), .cut = cut_one };
		struct str slow = STR(want_storage);

		assert_int_equal(mime_reference(&whole.conf, in, &slow), cases[i].trouble);
		if (!slice_has_prefix(str_slice(&slow), want) || (cases[i].trouble == FINE && slow.len != want.len))
			fail_msg("%s: the reference has \"%.*s\"", cases[i].claim, SLICE_FMT(str_slice(&slow)));
		check(&whole, &cases[i], in, want);
		check(&ones, &cases[i], in, want);
		for (size_t at = 0; at <= in.len; at++) {
			struct mime_run cut = { .conf = mime_run_conf(), .cut = cut_at, .context = &at };

			check(&cut, &cases[i], in, want);
		}
	}
}

/* Without conversion, structure is looked for only, and all stays as it is but for the empty line of case 520. */
static void without_converting(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned parts = 0; parts < 2; parts++) {
			struct slice in = slice_of_str(cases[i].in);
			struct mime_run run = { .conf = mime_run_conf(), .cut = cut_one };
			struct str want = STR(want_storage);
			const struct mime_case same = { .claim = cases[i].claim };

			run.conf.converts = false;
			run.conf.finds_parts = parts;
			assert_int_equal(mime_reference(&run.conf, in, &want), MIME_NO_TROUBLE);
			assert_true(want.len == in.len || want.len == in.len + 2);
			check(&run, &same, in, str_slice(&want));
		}
	}
}

/* --- limits --------------------------------------------------------------------------------------------------- */

static void add_multiparts(struct str *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		str_printf(s, CT "multipart/mixed; boundary=b%ub\r\n\r\n--b%ub\r\n", i, i);
}

static void nesting(void **state)
{
	static const struct { unsigned limit, count; enum mime_trouble trouble; } depths[] = {
		{ 100, 102, FINE }, { 100, 103, MIME_TOO_DEEP }, { 1, 3, FINE }, { 1, 4, MIME_TOO_DEEP },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(depths); i++) {
		struct mime_run run = { .conf = mime_run_conf() };
		struct str in = STR(text_storage), out = STR(out_storage), want = STR(want_storage);

		add_multiparts(&in, depths[i].count);
		str_add_cstr(&in, TEXT8);
		add_multiparts(&want, depths[i].count);
		str_add_cstr(&want, TEXTQ);
		run.conf.mime_nesting_limit = depths[i].limit;
		int r = mime_run(&run, str_slice(&in), &out);

		assert_int_equal(run.mime.structure.trouble, depths[i].trouble);
		assert_int_equal(r, depths[i].trouble == MIME_NO_TROUBLE ? (int)STAGE_END : ERR_CONTENT);
		if (depths[i].trouble == MIME_NO_TROUBLE)
			assert_true(slice_eq(str_slice(&out), str_slice(&want)));
		/* Who does not convert does not mind. */
		run.conf.converts = false;
		run.conf.finds_parts = true;
		str_clear(&out);
		assert_int_equal(mime_run(&run, str_slice(&in), &out), STAGE_END);
		assert_true(slice_eq(str_slice(&out), str_slice(&in)));
	}
}

static void boundary_of_3000(void **state)
{
	static const struct { unsigned equal; bool is_one; } lines[] = {
		{ 2047, false }, { 2048, true }, { 3000, true },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
		struct mime_run run = { .conf = mime_run_conf(), .cut = i == 1 ? cut_one : NULL };
		struct str in = STR(text_storage), out = STR(out_storage);

		str_add_cstr(&in, CT "multipart/mixed; boundary=\"");
		for (unsigned k = 0; k < 3000; k++)
			str_add_char(&in, "abcdefg"[k % 7]);
		str_add_cstr(&in, "\"\r\n\r\n--");
		for (unsigned k = 0; k < lines[i].equal; k++)
			str_add_char(&in, "abcdefg"[k % 7]);
		str_add_cstr(&in, "\r\n" CTE "8bit\r\n\r\n=\r\n");
		assert_int_equal(mime_run(&run, str_slice(&in), &out), STAGE_END);
		assert_int_equal(memmem(out.ptr, out.len, "=3D", 3) != NULL, lines[i].is_one);
	}
}

/* Long headers go out as they are; what is beyond the limit is not understood. */
static void long_headers(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct mime_run run = { .conf = mime_run_conf(), .cut = cut_one };
		struct str in = STR(text_storage), out = STR(out_storage);

		run.conf.header_size_limit = 1000;
		str_add_cstr(&in, CT "multipart/mixed; x=");
		while (in.len < 985 + more)
			str_add_char(&in, 'x');
		str_add_cstr(&in, "; boundary=bcd\r\n\r\n--b\r\n" CTE "8bit\r\n\r\n=\r\n");
		assert_int_equal(mime_run(&run, str_slice(&in), &out), STAGE_END);
		/* 985 octets, and "; boundary=bcd" as far as the "b": 12. */
		assert_true(more == 1 || memmem(out.ptr, out.len, "=3D", 3) == NULL);
		assert_true(slice_has_prefix(str_slice(&out), slice_of(in.ptr, 1000)));
	}
}

static void contradiction(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct mime_run run = { .conf = mime_run_conf(), .cut = i & 1 ? cut_one : NULL };
		struct str in = STR(text_storage), out = STR(out_storage);
		bool is_far = i & 2;

		str_add_cstr(&in, CTE "base64\r\nX: ");
		while (in.len < (is_far ? MIME_PARKED : MIME_PARKED - 100))
			str_add_char(&in, 'x');
		str_add_cstr(&in, "\r\n" CTE "8bit\r\n\r\n=\r\n");
		assert_int_equal(mime_run(&run, str_slice(&in), &out), is_far ? ERR_CONTENT : (int)STAGE_END);
		assert_int_equal(run.mime.structure.trouble, is_far ? MIME_CONTRADICTION : MIME_NO_TROUBLE);
	}
}

static void failures(void **state)
{
	static const struct enhanced_code codes[] = {
		[MIME_TOO_DEEP] = { 5, 6, 0 }, [MIME_NOT_CONVERTIBLE] = { 5, 6, 1 }, [MIME_SEALED] = { 5, 6, 3 },
		[MIME_CONTRADICTION] = { 5, 6, 0 },
	};
	struct mime m = { 0 };

	(void)state;
	for (unsigned i = MIME_TOO_DEEP; i < MIME_TROUBLE_COUNT; i++) {
		m.structure.trouble = (enum mime_trouble)i;
		struct mime_failure f = mime_failure(&m);

		assert_memory_equal(&f.dsn, &codes[i], sizeof(codes[i]));
		assert_true(strlen(f.words) > 10);
	}
}

/* --- all stages in a row ------------------------------------------------------------------------------------- */

static void send_stored(struct slice stored, size_t piece_max, struct str *out)
{
	struct mime_conf conf = mime_run_conf();
	void *memory = malloc(mime_memory(&conf, NULL));
	struct unstuff unstuff;
	struct mime mime;
	struct wrap wrap;
	struct dot dot;
	struct chain chain;
	int r = STAGE_MORE;

	assert_non_null(memory);
	unstuff_init(&unstuff);
	mime_init(&mime, &conf, NULL, memory);
	wrap_init(&wrap, 998);
	dot_init(&dot);
	chain_init(&chain);
	chain_add(&chain, &unstuff.stage);
	chain_add(&chain, &mime.stage);
	chain_add(&chain, &wrap.stage);
	chain_add(&chain, &dot.stage);
	while (r == STAGE_MORE) {
		struct slice in = slice_head(stored, piece_max), span;

		slice_skip(&stored, in.len);
		while ((r = chain_next(&chain, &in, stored.len == 0, &span)) == STAGE_SPAN)
			str_add(out, span);
	}
	assert_int_equal(r, STAGE_END);
	free(memory);
}

static void whole_chain(void **state)
{
	static const size_t pieces[] = { 1, 7, 4096, 100000 };
	char line_storage[10000];
	struct str stored = STR(text_storage), want = STR(want_storage), line = STR(line_storage);

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		str_add_char(&line, i % 97 == 0 ? '.' : 'x');
	str_add_cstr(&stored, CTE "8bit\r\n\r\n..\r\n...a\r\nFrom x\r\n.");
	str_add(&stored, str_slice(&line));
	str_add_cstr(&stored, "\r\n");
	str_add_cstr(&want, CTE "quoted-printable\r\n\r\n..\r\n...a\r\nFrom x\r\n");
	for (size_t at = 0; at < line.len; at += 73) {
		size_t n = MIN(line.len - at, (size_t)73);

		if (line.ptr[at] == '.')
			str_add_char(&want, '.');
		str_add(&want, slice_of(line.ptr + at, n));
		str_add_cstr(&want, at + n < line.len ? "=\r\n" : "\r\n");
	}
	for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
		struct str out = STR(out_storage);

		send_stored(str_slice(&stored), pieces[i], &out);
		assert_true(slice_eq(str_slice(&out), str_slice(&want)));
	}
}

/* --- hooks ---------------------------------------------------------------------------------------------------- */

/* Notes what it is shown, and does what the text says: DROP, REPLACE, PREPEND, WAIT, FAIL. */
struct watcher {
	struct mime_hooks hooks;
	struct str seen;
	char seen_storage[4096], answer_storage[256];
	bool has_waited;
};

static int answer(struct watcher *w, struct slice text, struct slice *ret_text)
{
	struct str out = STR(w->answer_storage);

	if (memmem(text.ptr, text.len, "WAIT", 4) != NULL && !w->has_waited) {
		w->has_waited = true;
		return MIME_WAIT;
	}
	w->has_waited = false;
	str_add(&w->seen, text);
	str_add_char(&w->seen, '|');
	if (memmem(text.ptr, text.len, "FAIL", 4) != NULL)
		return ERR_TABLE;
	if (memmem(text.ptr, text.len, "REPLACE", 7) != NULL)
		str_add_cstr(&out, "New: 1\r\n 2\r\n");
	else if (memmem(text.ptr, text.len, "PREPEND", 7) != NULL)
		str_printf(&out, "New: 1\r\n%.*s\r\n", SLICE_FMT(text));
	else if (memmem(text.ptr, text.len, "DROP", 4) == NULL)
		return MIME_KEEP;
	*ret_text = str_slice(&out);
	return MIME_CHANGED;
}

static int watch_header(struct mime_hooks *h, enum mime_header_kind kind, struct slice header, struct slice *ret_text)
{
	struct watcher *w = container_of(h, struct watcher, hooks);

	if (memmem(header.ptr, header.len, "WAIT", 4) == NULL || w->has_waited)
		str_add_char(&w->seen, "PMN"[kind]);
	return answer(w, header, ret_text);
}

static int watch_line(struct mime_hooks *h, struct slice line, struct slice *ret_text)
{
	return answer(container_of(h, struct watcher, hooks), line, ret_text);
}

struct hook_case {
	const char *claim;
	const char *in, *seen, *out;	/* out NULL: the same as in */
	int err;
};

#define ATTACHED	CT "message/rfc822\r\n\r\nSubject: n\r\nMIME-Version: 1.0\r\n\r\nbody\r\n"

static const struct hook_case hook_cases[] = {
	{ "each header is shown with its class, each line but empty ones",
	  "Subject: x\r\n y\r\nMime-Version: 1.0\r\n" CT "multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\nX: y\r\n"
	  ATTACHED "--b--\r\n",
	  "PSubject: x\r\n y|MMime-Version: 1.0|M" CT "multipart/mixed; boundary=b|pre|--b|MX: y|M" CT "message/rfc822|"
	  "NSubject: n|MMIME-Version: 1.0|body|--b--|", NULL, 0 },
	{ "the new label is shown as one of its block (B 13)",
	  CTE "8bit\r\nA: b\r\n\r\n=\r\n", "PA: b|P" CTE "quoted-printable|=3D|",
	  "A: b\r\n" CTE "quoted-printable\r\n\r\n=3D\r\n", 0 },
	{ "one that stays is a MIME header", CTE "base64\r\nA: b\r\n\r\n=\r\n", "M" CTE "base64|PA: b|=|", NULL, 0 },
	{ "headers are dropped, replaced, preceded", "A: DROP\r\n b\r\nB: REPLACE\r\nC: PREPEND\r\nD: WAIT\r\n\r\nx\r\n",
	  "PA: DROP\r\n b|PB: REPLACE|PC: PREPEND|PD: WAIT|x|", "New: 1\r\n 2\r\nNew: 1\r\nC: PREPEND\r\nD: WAIT\r\n\r\nx\r\n", 0 },
	{ "lines, too", "\r\na\r\nDROP\r\nb\r\nREPLACE\r\nPREPEND\r\n\r\nWAIT\r\nDROP\r\n",
	  "a|DROP|b|REPLACE|PREPEND|WAIT|DROP|", "\r\na\r\nb\r\nNew: 1\r\n 2\r\nNew: 1\r\nPREPEND\r\n\r\nWAIT\r\n", 0 },
	{ "a long line in pieces of the limit: 12 octets", "\r\n123456789012\r\n1234567890123\r\n123456789012345678901234\r\n",
	  "123456789012|123456789012|3|123456789012|345678901234|", NULL, 0 },
	{ "of what replaces a piece, the line goes on",
	  "\r\nxxxxxREPLACEyyy\r\nxxxxxPREPENDyyy\r\nxxxxxxxxDROPyyy\r\nxxxxxxxxxxxxDROP\r\nxxxxxxxxDROPxDROP\r\n",
	  "xxxxxREPLACE|yyy|xxxxxPREPEND|yyy|xxxxxxxxDROP|yyy|xxxxxxxxxxxx|DROP|xxxxxxxxDROP|xDROP|",
	  "\r\nNew: 1\r\n 2yyy\r\nNew: 1\r\nxxxxxPREPENDyyy\r\nyyy\r\nxxxxxxxxxxxx\r\n", 0 },
	{ "a header beyond its limit of 60 octets is passed on unseen",
	  "A: b\r\nX: " X70 "\r\n" X70 ": DROP\r\nC: d\r\n e\r\nX: x\r\n " X70 "\r\n\r\n",
	  "PA: b|PC: d\r\n e|", NULL, 0 },
	{ "an error ends it", "A: b\r\nB: FAIL\r\nC: d\r\n\r\n", "PA: b|PB: FAIL|", "A: b\r\n", ERR_TABLE },
	{ "what does not end is whole at the end", "A: b\r\nB: c", "PA: b|PB: c|", NULL, 0 },
	{ "a line, too", "\r\nxyz", "xyz|", NULL, 0 },
	{ "and a long one in pieces", "\r\n1234567890123", "123456789012|3|", NULL, 0 },
};

static void check_hooks(const struct hook_case *c, mime_run_cut_fn *cut, size_t at)
{
	struct watcher w = { .hooks = { watch_header, watch_line } };
	struct mime_run run = { .conf = mime_run_conf(), .hooks = &w.hooks, .cut = cut, .context = &at, .waits = true };
	struct str out = STR(out_storage);

	w.seen = STR(w.seen_storage);
	run.conf.line_length_limit = 12;
	run.conf.header_size_limit = 60;
	int r = mime_run(&run, slice_of_str(c->in), &out);

	assert_int_equal(r, c->err < 0 ? c->err : (int)STAGE_END);
	if (!slice_eq(str_slice(&w.seen), slice_of_str(c->seen)))
		fail_msg("%s, cut at %zu: seen \"%.*s\"", c->claim, at, SLICE_FMT(str_slice(&w.seen)));
	if (!slice_eq(str_slice(&out), slice_of_str(c->out != NULL ? c->out : c->in)))
		fail_msg("%s, cut at %zu: \"%.*s\"", c->claim, at, SLICE_FMT(str_slice(&out)));
}

static void hooks_see_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(hook_cases); i++) {
		check_hooks(&hook_cases[i], cut_one, 0);
		for (size_t at = 0; at <= strlen(hook_cases[i].in); at++)
			check_hooks(&hook_cases[i], cut_at, at);
	}
}

/* One hook alone: the other text passes. */
static void one_hook(void **state)
{
	static const char text[] = "A: b\r\n\r\nDROP\r\nc\r\n";

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct watcher w = { .hooks = { i == 0 ? watch_header : NULL, i == 1 ? watch_line : NULL } };
		struct mime_run run = { .conf = mime_run_conf(), .hooks = &w.hooks };
		struct str out = STR(out_storage);

		w.seen = STR(w.seen_storage);
		assert_int_equal(mime_run(&run, slice_of_str(text), &out), STAGE_END);
		assert_true(slice_eq(str_slice(&w.seen), i == 0 ? SLICE("PA: b|") : SLICE("DROP|c|")));
		assert_true(slice_eq(str_slice(&out), i == 0 ? slice_of_str(text) : SLICE("A: b\r\n\r\nc\r\n")));
	}
}

static enum mime_header_kind kind_of(enum mime_header_kind block, const char *header)
{
	return mime_header_kind(block, slice_of_str(header));
}

static void kinds(void **state)
{
	static const enum mime_header_kind blocks[] = { MIME_HEADER_PRIMARY, MIME_HEADER_MIME, MIME_HEADER_NESTED };
	static const char *const mime[] = {
		"Content-Description: x", "content-disposition:", "CONTENT-ID:<x>", "Content-Transfer-Encoding \t: 8bit",
		"Content-Type:\r\n text/plain", "mime-version: 1.0",
	};
	static const char *const others[] = {
		"Subject: Content-Type: x", "Content-Types: x", "Content-Typ: x", "Content-Location: x", "X: y", "Contend-Type: x",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(blocks); i++) {
		for (unsigned k = 0; k < ARRAY_LEN(mime); k++)
			assert_int_equal(kind_of(blocks[i], mime[k]), MIME_HEADER_MIME);
		for (unsigned k = 0; k < ARRAY_LEN(others); k++)
			assert_int_equal(kind_of(blocks[i], others[k]), blocks[i]);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what is labelled 8bit is converted as B 16 says, at every cut (rows HDR-02, SMG-06)", the_cases),
		CLAIM("who does not convert changes nothing (case 520)", without_converting),
		CLAIM("two levels more than the limit, and not one more", nesting),
		CLAIM("a boundary is compared as far as the limit goes (case 517)", boundary_of_3000),
		CLAIM("what is beyond header_size_limit is passed on, and not understood", long_headers),
		CLAIM("a label that has gone out cannot be taken back (case 504)", contradiction),
		CLAIM("each failure has a code: 5.6.0, 5.6.1, 5.6.3", failures),
		CLAIM("in the chain, lines are broken softly and stuffed behind that (cases 529, 530)", whole_chain),
		CLAIM("hooks see all that goes out, and have their way with it, at every cut", hooks_see_all),
		CLAIM("one hook may be alone", one_hook),
		CLAIM("a MIME header is one wherever it stands, any other is what its block is", kinds),
	};

	return cmocka_run_group_tests_name("net/mail/mime", claims, NULL, NULL);
}
