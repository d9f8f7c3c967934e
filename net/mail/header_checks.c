#include "net/mail/header_checks.h"

#include "net/wire/header.h"

#define LINE_ROOM	640u
#define TEXT_SHOWN	200u

static const struct verb {
	const char *word;
	const char *log_word;	/* NULL: nobody hears of it */
	enum check_result result;
	bool needs_text;
} verbs[] = {
	{ "DUNNO", NULL, CHECK_KEEP, false },
	{ "OK", NULL, CHECK_KEEP, false },
	{ "INFO", "info", CHECK_KEEP, false },
	{ "WARN", "warning", CHECK_KEEP, false },
	{ "IGNORE", NULL, CHECK_DROP, false },
	{ "STRIP", "strip", CHECK_DROP, false },
	{ "REPLACE", "replace", CHECK_REPLACE, true },
	{ "PREPEND", "prepend", CHECK_PREPEND, true },
};

static const struct verb *find_verb(struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (slice_eq_nocase(word, slice_of_str(verbs[i].word)))
			return &verbs[i];
	return NULL;
}

static void say(const struct check *c, const struct verb *verb, struct slice text)
{
	char storage[LINE_ROOM];
	struct str line = STR(storage);

	if (verb->log_word == NULL)
		return;
	str_printf(&line, "%s: %s ", verb->log_word, c->place == CHECK_HEADER ? "header" : "body");
	str_add_printable(&line, c->subject, MAIL_LOG_ABOUT_MAX);
	line.full = false;
	if (text.len > 0)
		str_add_cstr(&line, ": ");
	str_add_printable(&line, text, TEXT_SHOWN);
	c->log->line(c->log, false, str_slice(&line));
}

static enum check_result refuse(const struct check *c, const char *what, struct slice text, const char *why)
{
	char storage[LINE_ROOM];
	struct str line = STR(storage);

	str_printf(&line, "%s in %s", what, c->table);
	if (text.len > 0)
		str_add_cstr(&line, ": \"");
	str_add_printable(&line, text, TEXT_SHOWN);
	line.full = false;
	str_add_cstr(&line, text.len > 0 ? "\"" : "");
	str_add_cstr(&line, why);
	c->log->line(c->log, true, str_slice(&line));
	return CHECK_KEEP;
}

enum check_result check_apply(const struct check *check, struct slice action, struct slice *ret_text)
{
	struct slice word = action = slice_trim(action), name, body;

	for (word.len = 0; word.len < action.len && action.ptr[word.len] != ' ' && action.ptr[word.len] != '\t'; )
		word.len++;
	slice_skip(&action, word.len);
	const struct slice text = slice_trim(action);
	const struct verb *verb = find_verb(word);

	if (verb == NULL)
		return refuse(check, "unsupported command", word, "");
	if (verb->needs_text && text.len == 0)
		return refuse(check, "action without text", word, "");
	if (verb->needs_text && check->place == CHECK_HEADER && !header_split(text, &name, &body))
		return refuse(check, "bad header text", text, " -- need \"headername: headervalue\"");
	say(check, verb, text);
	if (verb->needs_text)
		*ret_text = text;
	return verb->result;
}
