/* dialogue - plays the scripts of tests/dialogue
 *
 *	build/tests/dialogue [-v] [-s SEGMENT] [-S SEED] [FILE...]
 *
 * Without files: all of the directory. Each is played in a process of its own at segment sizes whole, 7 and 1.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/dialogue/play.h"

#ifndef DIALOGUE_DIR
#define DIALOGUE_DIR "tests/dialogue"
#endif

#define FILES_MAX	10000u
#define PLAY_CPU_S	60	/* a play takes a few milliseconds; one that turns in circles ends here */

static struct {
	bool verbose;
	long segment;		/* -1: all three */
	uint64_t seed;
	const char *files[FILES_MAX];
	size_t file_count;
} options = { .segment = -1, .seed = 1 };

static const char *segment_words(uint32_t segment)
{
	static char text[40];

	if (segment == 0)
		return "as it comes";
	(void)snprintf(text, sizeof(text), "%u octet%s at a time", segment, segment == 1 ? "" : "s"); /* fits */
	return text;
}

static _Noreturn void play_and_exit(const char *file, uint32_t segment)
{
	struct script *script = malloc(sizeof(*script));

	(void)alarm(PLAY_CPU_S);
	if (script == NULL || !script_read(file, script))
		_exit(2);
	bool ok = play_script(script, segment, options.seed, options.verbose);

	(void)fflush(stdout);
	_exit(ok ? 0 : 1);
}

/* In a child: whatever happens there happens to this play alone. */
static bool play_file(const char *file, uint32_t segment)
{
	int status = 0;

	(void)fflush(stdout);
	pid_t child = fork();

	if (child < 0) {
		perror("fork");
		exit(2);
	}
	if (child == 0)
		play_and_exit(file, segment);
	if (waitpid(child, &status, 0) != child)
		return false;
	if (WIFSIGNALED(status))
		printf("%s: ended by signal %d (%s)\n", file, WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (status != 0)
		printf("not ok - %s, %s\n", file, segment_words(segment));
	return status == 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_directory(const char *path)
{
	static const char suffix[] = ".dialogue";
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (dir == NULL) {
		perror(path);
		exit(2);
	}
	while ((entry = readdir(dir)) != NULL && options.file_count < FILES_MAX) {
		size_t len = strlen(entry->d_name);
		char *file;

		if (len < sizeof(suffix) || strcmp(entry->d_name + len - sizeof(suffix) + 1, suffix) != 0)
			continue;
		if (asprintf(&file, "%s/%s", path, entry->d_name) < 0)
			exit(2);
		options.files[options.file_count++] = file;
	}
	closedir(dir);
	qsort(options.files, options.file_count, sizeof(options.files[0]), compare);
}

static void read_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "vs:S:")) != -1) {
		if (c == 'v')
			options.verbose = true;
		else if (c == 's')
			options.segment = strtol(optarg, NULL, 10);
		else if (c == 'S')
			options.seed = strtoull(optarg, NULL, 10);
		else
			exit(2);
	}
	for (int i = optind; i < argc && options.file_count < FILES_MAX; i++)
		options.files[options.file_count++] = argv[i];
	if (options.file_count == 0)
		add_directory(DIALOGUE_DIR);
}

int main(int argc, char **argv)
{
	static const uint32_t segments[] = { 0, 7, 1 };
	unsigned plays = 0, failed = 0;

	read_options(argc, argv);
	for (size_t i = 0; i < options.file_count; i++) {
		for (unsigned s = 0; s < sizeof(segments) / sizeof(segments[0]); s++) {
			if (options.segment >= 0 && segments[s] != (uint32_t)options.segment)
				continue;
			if (options.verbose)
				printf("%s, %s\n", options.files[i], segment_words(segments[s]));
			plays++;
			if (!play_file(options.files[i], segments[s])) {
				failed++;
				break;	/* the other sizes would most often say the same */
			}
		}
	}
	printf("%u plays of %zu dialogues: %u dialogues failed\n", plays, options.file_count, failed);
	return failed == 0 ? 0 : 1;
}
