#include "net/mail/mime.h"

#include "tests/test.h"

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
		CLAIM("a MIME header is one wherever it stands, any other is what its block is", kinds),
	};

	return cmocka_run_group_tests_name("net/mail/mime", claims, NULL, NULL);
}
