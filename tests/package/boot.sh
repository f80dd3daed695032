#!/bin/sh
# boot.sh ROOT PROGRAM [WORD...]: in namespaces of its own (unshare has made them) enters ROOT and starts PROGRAM as the first process there.
# What systemd needs of /dev, /sys and /run is made anew.
set -e
root=$1
shift
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mkdir -p old
pivot_root . old
cd /
mount -t proc proc /proc
umount -l /old
rmdir /old
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
# A hierarchy of control groups for systemd alone: version 1's named one, or version 2's where the kernel has only that.
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
if ! mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd 2>/dev/null; then
	umount /sys/fs/cgroup
	mount -t cgroup2 none /sys/fs/cgroup
fi
mount -t tmpfs tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/zero c 1 5
mknod -m 666 /dev/full c 1 7
mknod -m 666 /dev/random c 1 8
mknod -m 666 /dev/urandom c 1 9
mknod -m 666 /dev/tty c 5 0
mkdir /dev/shm /dev/pts
ln -s /proc/self/fd /dev/fd
ip link set lo up
exec env -i container=chancery-test PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
