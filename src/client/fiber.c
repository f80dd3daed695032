#include "client/fiber.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* GCC defines the first two, Clang answers the others. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define WITH_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if defined(WITH_ASAN) || defined(WITH_TSAN)
#define STACK_SIZE ((size_t)1024 * 1024) /* frames are larger then */
#else
#define STACK_SIZE ((size_t)256 * 1024)
#endif

struct fiber {
	fiber_fn *run;
	void *arg;
	uint8_t *map; /* the guard page, then the stack */
	size_t map_len, guard_len;
	ucontext_t self, resumer;
	bool ended;
#ifdef WITH_ASAN
	void *self_fake, *resumer_fake;
	const void *resumer_stack;
	size_t resumer_stack_len;
#endif
#ifdef WITH_TSAN
	void *self_tsan, *resumer_tsan;
#endif
};

/* --- what the sanitizers have to know of another stack --- */

static void made(struct fiber *f)
{
	(void)f;
#ifdef WITH_TSAN
	f->self_tsan = __tsan_create_fiber(0);
#endif
}

static void forgotten(struct fiber *f)
{
	(void)f;
#ifdef WITH_TSAN
	__tsan_destroy_fiber(f->self_tsan);
#endif
}

static void leave_resumer(struct fiber *f)
{
	(void)f;
#if defined(WITH_ASAN)
	__sanitizer_start_switch_fiber(&f->resumer_fake, f->map + f->guard_len, f->map_len - f->guard_len);
#elif defined(WITH_TSAN)
	f->resumer_tsan = __tsan_get_current_fiber();
	__tsan_switch_to_fiber(f->self_tsan, 0);
#endif
}

static void arrive_in_fiber(struct fiber *f)
{
	(void)f;
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(f->self_fake, &f->resumer_stack, &f->resumer_stack_len);
#endif
}

static void leave_fiber(struct fiber *f)
{
	(void)f;
#if defined(WITH_ASAN)
	__sanitizer_start_switch_fiber(f->ended ? NULL : &f->self_fake, f->resumer_stack, f->resumer_stack_len);
#elif defined(WITH_TSAN)
	__tsan_switch_to_fiber(f->resumer_tsan, 0);
#endif
}

static void arrive_in_resumer(struct fiber *f)
{
	(void)f;
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(f->resumer_fake, NULL, NULL);
#endif
}

/* --- the fiber --- */

/* makecontext() hands on ints alone: a pointer goes in two of them. */
static void begin(unsigned high, unsigned low)
{
	struct fiber *f = (struct fiber *)(((uintptr_t)high << 16 << 16) | low); /* NOLINT: its own parts */

	arrive_in_fiber(f);
	f->run(f->arg);
	f->ended = true;
	leave_fiber(f);
	(void)setcontext(&f->resumer);
	abort(); /* it never returns */
}

enum err_code fiber_new(fiber_fn *run, void *arg, struct fiber **ret, struct err *e)
{
	struct fiber *f = calloc(1, sizeof *f);

	if (!f)
		FAIL(e, NOMEM, "no memory for a stack");
	f->run = run;
	f->arg = arg;
	f->guard_len = (size_t)sysconf(_SC_PAGESIZE);
	f->map_len = f->guard_len + STACK_SIZE;
	f->map = mmap(NULL, f->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (f->map == MAP_FAILED || mprotect(f->map, f->guard_len, PROT_NONE) != 0 || getcontext(&f->self) != 0) {
		if (f->map != MAP_FAILED)
			(void)munmap(f->map, f->map_len);
		free(f);
		FAIL(e, NOMEM, "no memory for a stack");
	}
	f->self.uc_stack.ss_sp = f->map + f->guard_len;
	f->self.uc_stack.ss_size = STACK_SIZE;
	f->self.uc_link = NULL;
	makecontext(&f->self, (void (*)(void))begin, 2, (unsigned)((uintptr_t)f >> 16 >> 16), (unsigned)(uintptr_t)f);
	made(f);
	*ret = f;
	return ERR_OK;
}

void fiber_free(struct fiber *f)
{
	if (!f)
		return;
	forgotten(f);
	(void)munmap(f->map, f->map_len);
	free(f);
}

bool fiber_resume(struct fiber *f)
{
	leave_resumer(f);
	(void)swapcontext(&f->resumer, &f->self);
	arrive_in_resumer(f);
	return !f->ended;
}

void fiber_suspend(struct fiber *f)
{
	leave_fiber(f);
	(void)swapcontext(&f->self, &f->resumer);
	arrive_in_fiber(f);
}
