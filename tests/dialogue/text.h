/* text.h - words, quoted strings, escapes, times and numbers of one line of a script
 *
 *	word		up to a blank
 *	"quoted"	with \r \n \t \\ \" and \xNN
 *	<angled>	an address, up to the '>' that ends it
 *
 * memory   what is decoded is allocated and stays
 */
#pragma once

#include "core/slice.h"

/* Without blanks at its front afterwards. Empty at the end. */
struct slice text_word(struct slice *rest);
bool text_take_word(struct slice *rest, const char *word);	/* if that is the next one */
bool text_quoted(struct slice *rest, struct slice *ret_octets);
bool text_angled(struct slice *rest, struct slice *ret_octets);

/* "key=value", the value a word, quoted or angled. False when the next thing is none. */
bool text_key_value(struct slice *rest, struct slice *ret_key, struct slice *ret_value);

/* \r \n \t \\ \" \xNN become octets. False for another escape. */
bool text_decode(struct slice text, struct slice *ret_octets);

/* "300us", "300ms", "5s", "10m", "2h", "3d". */
bool text_time(struct slice word, uint64_t *ret_ns);
bool text_number(struct slice word, uint64_t *ret_value);

/* Is what somewhere in text? Any of the two may be empty. */
bool text_has(struct slice text, struct slice what);

/* A copy that stays. */
struct slice text_keep(struct slice s);
/* The same with a NUL at its end. */
const char *text_cstr(struct slice s);
/* With every '#' replaced by number. */
struct slice text_numbered(struct slice s, uint64_t number);

void *text_alloc(size_t size);
/* Room for one more at the end of *list, which has count elements of that size. */
void *text_grow(void *list, unsigned count, size_t size);
