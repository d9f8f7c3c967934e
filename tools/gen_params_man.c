/* gen_params_man - writes ringpost.cf(5) to standard output: the head below, then every row of net/params_table.h
 *
 * Run by the build, so that the page and the program cannot disagree.
 */
#include <stdio.h>
#include <string.h>

#include "net/params.h"

/* Text for roff: a backslash and a dash are themselves, and no line begins with a command. */
static void put_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text != '\0'; text++) {
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
}

static void put_row(const struct param_description *d, void *context)
{
	(void)context;
	if (d->is_heading) {
		fputs(".SS ", stdout);
		put_text(d->help);
		putchar('\n');
		return;
	}
	fputs(".TP\n\\fB", stdout);
	put_text(d->name);
	fputs("\\fR", stdout);
	if (d->def[0] != '\0') {
		fputs(" (default: ", stdout);
		put_text(d->def);
		fputs(")", stdout);
	}
	putchar('\n');
	put_text(d->help);
	fputs("\n.br\nForm: ", stdout);
	put_text(d->form);
	fputs(". Phase: ", stdout);
	put_text(d->phase);
	fputs(".\n", stdout);
	if (d->remark[0] != '\0') {
		fputs(".br\nNote: ", stdout);
		put_text(d->remark);
		fputs(".\n", stdout);
	}
}

static const char head[] =
	".TH RINGPOST.CF 5 \"\" \"ringpost\" \"File formats\"\n"
	".SH NAME\n"
	"ringpost.cf \\- the main.cf of ringpost: language and parameters\n"
	".SH SYNOPSIS\n"
	".I /etc/ringpost/main.cf\n"
	".SH DESCRIPTION\n"
	"The language is that of Postfix, and a parameter that Postfix's SMTP client has, too, has the same name, meaning and unit "
	"here. Names without an effect here are accepted, and each is remarked once when somebody sets it: below with a note when it "
	"is known, else as unused.\n"
	".SS Lines\n"
	"A definition is\n"
	".IR name \" = \" value .\n"
	"A line that begins with white space continues the one before. Empty lines, and lines whose first visible character is "
	"#, count for nothing, also between continued lines. White space at both ends of a value is dropped; quotes are ordinary "
	"characters. The last definition of a name wins, wherever it stands. A definition given to the program with\n"
	".B \\-o\n"
	"beats the file.\n"
	".SS References\n"
	"A value may refer to other parameters, defined or with their defaults. A name that nobody defines is empty.\n"
	".TP\n"
	".BR $name \", \" ${name} \", \" $(name)\n"
	"The value of\n"
	".IR name .\n"
	".TP\n"
	".BR ${name?text} \", \" ${name?{text}}\n"
	"The text, when\n"
	".I name\n"
	"has a value that is not empty.\n"
	".TP\n"
	".BR ${name:text} \", \" ${name:{text}}\n"
	"The text, when\n"
	".I name\n"
	"is empty.\n"
	".TP\n"
	".B ${name?{text}:{other}}\n"
	"One or the other.\n"
	".TP\n"
	".B ${{left} == {right} ? {text} : {other}}\n"
	"The same by a comparison: == != < <= > >=. It compares numbers when both sides are all digits, else characters.\n"
	".TP\n"
	".B ${domain_to_ascii{text}}\n"
	"The text, which must be in ASCII already.\n"
	".TP\n"
	".B $$\n"
	"One dollar sign.\n"
	".PP\n"
	"Values nest to 32 levels and expand to 64 KiB at most. A value that leads back to itself is an error.\n"
	".SS Times\n"
	"A whole number with a unit behind it: s, m, h, d or w, for seconds, minutes, hours, days and weeks. A bare number is "
	"seconds unless the parameter says otherwise.\n"
	".SS Lists\n"
	"Items are separated by commas or white space, or both.\n"
	".SS Tables\n"
	"A value of type:name items names lookup tables, asked in that order; the first that knows the key answers, and an error "
	"ends the search. Types: texthash, inline, static, hash, btree, lmdb, cdb, cidr, pcre, regexp, unionmap, pipemap, tcp, "
	"socketmap, each perhaps with proxy: in front. Files are read at start, and changed ones again on HUP. "
	"tcp and socketmap ask another process; parameters that need the answer at once refuse them.\n"
	".SS LMTP\n"
	"Every smtp_ name has a twin that begins with lmtp_ and is read in its place when a message goes by LMTP, with the same "
	"default but for a few: lmtp_tcp_port is 24, lmtp_connect_timeout 0s, lmtp_skip_quit_response no, and lmtp_fallback_relay "
	"and lmtp_tls_security_level are empty. The twins of smtp_helo_name, smtp_helo_timeout and smtp_discard_ehlo_keywords "
	"have lhlo in their names.\n"
	".SS Errors\n"
	"All errors are reported at once, each with file and line, parameter, and the accepted form:\n"
	".PP\n"
	".EX\n"
	"main.cf:7: smtp_helo_timeout = 5x: not a time; expected a whole number with ...\n"
	".EE\n"
	".SH PARAMETERS\n";

static const char tail[] =
	".SH SEE ALSO\n"
	".BR ringpost (1),\n"
	".BR ringpostd (8),\n"
	".BR postconf (5)\n";

int main(void)
{
	fputs(head, stdout);
	params_describe(put_row, NULL);
	fputs(tail, stdout);
	return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : 1;
}
