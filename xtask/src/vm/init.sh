#!/bin/busybox sh
# The first process of the machine in which tests run. /tests/run runs them; see root.rs.
if [ "$1" != again ]; then
    # Nothing can change the root that the kernel unpacked, so it is put over itself.
    /bin/busybox mount --bind / /new
    cd /new
    /bin/busybox mount --move . /
    exec /bin/busybox chroot . /init again
fi
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
cd /
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t cgroup2 none /sys/fs/cgroup
dmesg -n 1
ifconfig lo 127.0.0.1 up
for module in /modules/*; do
    [ ! -e "$module" ] || insmod "$module"
done

status=0
echo "@@ as root"
setsid /tests/run < /dev/null || status=$?

top=/sys/fs/cgroup
if [ -e /tests/also-as-user ]; then
    # What systemd does for a user: the controllers are on, and the directory is the user's.
    echo "+cpu +memory +pids" > $top/cgroup.subtree_control
    mkdir -p $top/users/one/session
    for dir in users users/one; do
        echo "+cpu +memory +pids" > $top/$dir/cgroup.subtree_control
    done
    chown user $top/users/one $top/users/one/cgroup.procs $top/users/one/cgroup.subtree_control
    chown -R user $top/users/one/session
    echo "@@ as a user"
    echo $$ > $top/users/one/session/cgroup.procs
    setsid su -s /bin/sh user -c /tests/run < /dev/null || status=$?
    echo $$ > $top/cgroup.procs
fi

echo "@@ control groups that are left"
find $top -name 'toolexec-*' | grep . && status=99
for file in $(cat /tests/kept 2> /dev/null); do
    [ ! -e "$file" ] || { echo "@@ kept ${file##*/}"; cat "$file"; echo "@@ end"; }
done
echo "@@ exit $status"
poweroff -f
