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
