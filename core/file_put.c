#include "core/file_put.h"

#include <errno.h>
#include <fcntl.h>

static void on_op(struct op *op, int res);

static void start(struct file_put *p, enum file_put_step step)
{
	p->step = step;
	op_init(&p->op, on_op);
	switch (step) {
	case FILE_PUT_OPEN:
		io_open(&p->op, p->fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		break;
	case FILE_PUT_WRITE:
		io_write(&p->op, p->file, p->text.ptr, p->text.len, p->at);
		break;
	case FILE_PUT_SYNC:
		io_fdatasync(&p->op, p->file);
		break;
	case FILE_PUT_RENAME:
		io_rename(&p->op, p->fresh, p->path);
		break;
	case FILE_PUT_IDLE:
		UNREACHABLE();
	}
}

static void finish(struct file_put *p, int err)
{
	if (p->file >= 0)
		io_close(p->file);
	p->file = -1;
	p->step = FILE_PUT_IDLE;
	p->fn(p, err);
}

static void on_written(struct file_put *p, size_t count)
{
	slice_skip(&p->text, count);
	p->at += count;
	if (p->text.len > 0)
		start(p, FILE_PUT_WRITE);
	else
		start(p, p->durable ? FILE_PUT_SYNC : FILE_PUT_RENAME);
}

static void on_op(struct op *op, int res)
{
	struct file_put *p = container_of(op, struct file_put, op);

	if (p->step == FILE_PUT_OPEN && res >= 0)
		p->file = res;
	if (res < 0 || (p->step == FILE_PUT_WRITE && res == 0 && p->text.len > 0)) {
		finish(p, res < 0 ? res : -EIO);
		return;
	}
	switch (p->step) {
	case FILE_PUT_OPEN:
		on_written(p, 0);
		break;
	case FILE_PUT_WRITE:
		on_written(p, (size_t)res);
		break;
	case FILE_PUT_SYNC:
		start(p, FILE_PUT_RENAME);
		break;
	case FILE_PUT_RENAME:
		finish(p, 0);
		break;
	case FILE_PUT_IDLE:
		UNREACHABLE();
	}
}

void file_put_init(struct file_put *p)
{
	*p = (struct file_put){ .file = -1 };
	op_init(&p->op, on_op);
}

void file_put(struct file_put *p, const char *path, struct slice text, bool durable,
	      void (*fn)(struct file_put *p, int err))
{
	struct str fresh = STR(p->fresh);

	ASSERT(p->step == FILE_PUT_IDLE);
	p->path = path;
	p->text = text;
	p->at = 0;
	p->durable = durable;
	p->fn = fn;
	str_add_cstr(&fresh, path);
	str_add_cstr(&fresh, ".new");
	ASSERT(fresh.len < sizeof(p->fresh) && !str_is_full(&fresh));
	(void)str_cstr(&fresh);
	start(p, FILE_PUT_OPEN);
}
