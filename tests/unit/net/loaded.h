/* loaded.h - a main.cf as both kinds of params, and everything that was said about it */
#pragma once

#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#include "net/params.h"

struct loaded {
	struct params_system sys;
	struct conf *conf;
	struct params p;
	struct params lmtp;
	int errors;
	char said[65536];
	unsigned lines;
};

static inline void hear(const char *line, void *context)
{
	struct loaded *l = context;
	size_t len = strlen(l->said);

	(void)snprintf(l->said + len, sizeof(l->said) - len, "%s\n", line);	/* a cut one fails its comparison */
	l->lines++;
}

/* A machine called host, whatever this one is called. */
static inline struct loaded *load_on(const char *host, const char *text)
{
	struct loaded *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	params_system_init(&l->sys, "ringpostd", NULL);
	(void)snprintf(l->sys.host, sizeof(l->sys.host), "%s", host);	/* fits */
	assert_non_null(params_conf_new(&l->sys));
	l->conf = l->sys.conf;
	conf_read_text(l->conf, "main.cf", slice_of_str(text));
	l->errors = params_load(&l->p, l->conf);
	l->errors = params_load_lmtp(&l->lmtp, l->conf);	/* counts those of both */
	conf_errors(l->conf, hear, l);
	return l;
}

static inline struct loaded *load(const char *text)
{
	return load_on("mail.example.org", text);
}

static inline void unload(struct loaded *l)
{
	conf_free(&l->conf);
	free(l);
}
