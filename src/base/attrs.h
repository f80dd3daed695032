/* Attributes and the cleanup idiom that every other header uses. */
#ifndef CHANCERY_BASE_ATTRS_H
#define CHANCERY_BASE_ATTRS_H

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define CLEANUP(fn)  __attribute__((cleanup(fn)))

/* TAKE(p): hands ownership out and leaves NULL behind, so that the scope's CLEANUP does nothing. */
#define TAKE(p)                                    \
	__extension__({                            \
		__typeof__(p) *take_at_ = &(p);    \
		__typeof__(p) take_v_ = *take_at_; \
		*take_at_ = NULL;                  \
		take_v_;                           \
	})

/* DEFINE_CLEANUP(T, f): makes f_p usable in CLEANUP() on a variable of the pointer type T. */
#define DEFINE_CLEANUP(T, f)           \
	static inline void f##_p(T *p) \
	{                              \
		if (*p)                \
			f(*p);         \
	}                              \
	struct f##_semicolon_

/* close_p: CLEANUP for a file descriptor; -1 means none. */
void close_p(int *fd);

#endif
