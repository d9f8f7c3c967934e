#include "tests/unit/core/fake_ring_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"

int io_uring_major_version(void)
{
	return IO_URING_VERSION_MAJOR;
}

int io_uring_minor_version(void)
{
	return IO_URING_VERSION_MINOR - (fake.old_library ? 1 : 0);
}

bool io_uring_check_version(int major, int minor)
{
	return major > io_uring_major_version() ||
	       (major == io_uring_major_version() && minor > io_uring_minor_version());
}

int io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
	if (fake.setup_err < 0)
		return fake.setup_err;
	/* What the whole design leans on. */
	ASSERT(p->flags & IORING_SETUP_SINGLE_ISSUER && p->flags & IORING_SETUP_DEFER_TASKRUN);
	ASSERT(p->flags & IORING_SETUP_SUBMIT_ALL && p->flags & IORING_SETUP_R_DISABLED);
	ASSERT(p->cq_entries >= 2 * entries);
	if (fake.sq_entries == 0)
		fake.sq_entries = entries;
	if (fake.cq_entries == 0)
		fake.cq_entries = p->cq_entries;
	ASSERT(fake.sq_entries <= SQ_MAX && fake.cq_entries <= CQ_MAX);
	memset(ring, 0, sizeof(*ring));
	ring->flags = p->flags;
	ring->features = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP;
	ring->ring_fd = ring->enter_ring_fd = 1000;
	ring->sq.khead = &k.sq_head;
	ring->sq.ktail = &k.sq_tail;
	ring->sq.kflags = &k.sq_flags;
	ring->sq.sqes = fake_sqes;
	ring->sq.ring_entries = fake.sq_entries;
	ring->sq.ring_mask = fake.sq_entries - 1;
	ring->cq.khead = &k.cq_head;
	ring->cq.ktail = &k.cq_tail;
	ring->cq.cqes = fake_cqes;
	ring->cq.ring_entries = fake.cq_entries;
	ring->cq.ring_mask = fake.cq_entries - 1;
	return 0;
}

/* The memory of what never came back is our owner's again. */
static void end_loans(void)
{
	for (unsigned i = 0; i < FAKE_OPS; i++)
		if (fake.ops[i].used && fake_is_read(&fake.ops[i].sqe))
			UNPOISON((void *)(uintptr_t)fake.ops[i].sqe.addr, fake.ops[i].sqe.len);
	for (unsigned i = 0; k.bufs != NULL && i < k.buf_count; i++)
		UNPOISON((void *)(uintptr_t)k.bufs->bufs[i].addr, k.bufs->bufs[i].len);
}

void io_uring_queue_exit(struct io_uring *ring)
{
	(void)ring;
	end_loans();
	free(k.bufs);
	k.bufs = NULL;
}

struct io_uring_probe *io_uring_get_probe_ring(struct io_uring *ring)
{
	struct io_uring_probe *probe = calloc(1, sizeof(*probe) + 256 * sizeof(struct io_uring_probe_op));

	(void)ring;
	ASSERT(probe != NULL);
	probe->last_op = probe->ops_len = IORING_OP_LAST - 1;
	for (unsigned i = 0; i < IORING_OP_LAST; i++)
		if (!(fake.missing & UINT64_C(1) << i))
			probe->ops[i].flags = IO_URING_OP_SUPPORTED;
	return probe;
}

void io_uring_free_probe(struct io_uring_probe *probe)
{
	free(probe);
}

int io_uring_register_restrictions(struct io_uring *ring, struct io_uring_restriction *res, unsigned nr_res)
{
	(void)ring;
	ASSERT(!fake.enabled && nr_res <= RULES_MAX);
	memcpy(k.rules, res, nr_res * sizeof(*res));
	k.rule_count = nr_res;
	return 0;
}

int io_uring_enable_rings(struct io_uring *ring)
{
	(void)ring;
	ASSERT(k.rule_count > 0);	/* first restricted, then enabled (row URG-32) */
	fake.enabled = true;
	return 0;
}

int io_uring_ring_dontfork(struct io_uring *ring)
{
	(void)ring;
	fake.dontfork = true;
	return 0;
}

int io_uring_register_ring_fd(struct io_uring *ring)
{
	(void)ring;
	fake.ring_fd_registered = true;
	return 1;
}

int io_uring_register_iowq_max_workers(struct io_uring *ring, unsigned *values)
{
	(void)ring;
	memcpy(fake.workers, values, sizeof(fake.workers));
	return 0;
}

int io_uring_register_files_sparse(struct io_uring *ring, unsigned nr)
{
	(void)ring;
	ASSERT(nr <= FAKE_FILES);
	k.files_max = nr;
	return 0;
}

int io_uring_register_file_alloc_range(struct io_uring *ring, unsigned off, unsigned len)
{
	(void)ring;
	k.alloc_from = off;
	k.alloc_len = len;
	return 0;
}

int io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files, unsigned nr_files)
{
	(void)ring;
	(void)files;
	ASSERT(nr_files == 1 && off < k.files_max);
	fake.files[off] = (struct fake_file){ .open = true };
	return 1;
}

int io_uring_register_buffers(struct io_uring *ring, const struct iovec *iovecs, unsigned nr_iovecs)
{
	(void)ring;
	(void)iovecs;
	return nr_iovecs == 1 ? 0 : -EINVAL;
}

struct io_uring_buf_ring *io_uring_setup_buf_ring(struct io_uring *ring, unsigned nentries, int bgid, unsigned flags,
						  int *err)
{
	(void)ring;
	(void)bgid;
	ASSERT(flags == 0 && nentries <= FAKE_BUFS);	/* no incremental buffers (row URG-08) */
	k.buf_count = nentries;
	k.bufs = aligned_alloc(4096, round_up(nentries * sizeof(struct io_uring_buf), 4096));
	*err = k.bufs != NULL ? 0 : -ENOMEM;
	if (k.bufs != NULL)
		memset(k.bufs, 0, nentries * sizeof(struct io_uring_buf));
	return k.bufs;
}
