/* What Frama-C's libc lacks or has as functions alone, as glibc has it. */
#ifndef CHANCERY_PROOF_LIBC_H
#define CHANCERY_PROOF_LIBC_H

#include <stddef.h>
#include <sys/socket.h>

#undef CMSG_SPACE
#undef CMSG_LEN
#undef CMSG_DATA
#undef CMSG_FIRSTHDR
#undef CMSG_NXTHDR
#define CMSG_SPACE(n)     (((n) + 7 & ~(size_t)7) + sizeof(struct cmsghdr))
#define CMSG_LEN(n)       (sizeof(struct cmsghdr) + (n))
#define CMSG_DATA(h)      ((unsigned char *)((h) + 1))
#define CMSG_FIRSTHDR(m)  ((m)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(m)->msg_control : (struct cmsghdr *)0)
#define CMSG_NXTHDR(m, h) ((struct cmsghdr *)0) /* the kernel gives one */
#define MSG_CMSG_CLOEXEC  0x40000000
#define POLLRDHUP         0x2000
#define FIONREAD          0x541B
#define SO_SNDBUFFORCE    32
#define SOCK_NONBLOCK     04000
#define SOCK_CLOEXEC      02000000
#define ETOOMANYREFS      109

/*@ requires \valid((char *)p + (0 .. n - 1)); assigns ((char *)p)[0 .. n - 1] \from \nothing; */
void explicit_bzero(void *p, size_t n);

#endif
