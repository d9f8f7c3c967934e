/* params_impl.h - the rows of net/params_table.h as data, for the files of net/params only */
#pragma once

#include "net/params.h"

enum param_kind {
	KIND_HEADING,
	KIND_BOOL,
	KIND_INT,
	KIND_SIZE,
	KIND_TIME,
	KIND_STR,
	KIND_PATH,
	KIND_READONLY,
	KIND_ENUM,
	KIND_SET,
	KIND_PORT,
	KIND_PORTS,
	KIND_ADDR4,
	KIND_ADDR6,
	KIND_ENDPOINTS,
	KIND_NETS,
	KIND_INTERFACES,
	KIND_FEEDBACK,
	KIND_MAPS,
	KIND_MLIST
};

struct param_row {
	enum param_kind kind;
	const char *name;
	const char *def;
	uint64_t min, max;
	const char *words;
	const char *help;
	size_t offset;		/* in struct params */
};

extern const struct param_row param_rows[];
extern const size_t param_row_count;

/* The accepted form in words, perhaps in the storage. */
const char *param_row_form(const struct param_row *row, struct str *storage);

#define PARAM_NAME_MAX 80u

/* What the row is called: its own name, or the twin that LMTP reads in its place (P 0.4), in the storage. */
const char *param_row_name(const struct param_row *row, bool is_lmtp, struct str *storage);

/* The default of an lmtp_ name, or NULL: no such twin. The text lives in the conf. */
const char *param_twin_default(struct conf *conf, struct slice name);

/* What params_remarks says about a row, or an empty text. */
const char *param_remark(const char *name);

/* --- params.c ------------------------------------------------------------------------------------ */

/* The inside of "[text]"; anything else as it is. */
struct slice params_without_brackets(struct slice s);

/* --- params_across.c ----------------------------------------------------------------------------- */

/* When all have been read. Errors go to conf. */
void params_check_across(struct params *p, struct conf *conf);
