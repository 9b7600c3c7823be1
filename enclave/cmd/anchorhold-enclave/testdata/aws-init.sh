# Does what the init of nitro-cli's images does (aws-nitro-enclaves-sdk-bootstrap, init/init.c) behind module, console and heartbeat:
#   unshare --mount --pid --fork bash aws-init.sh DIR CMDLINE
# DIR is ramdisk 1 unpacked: rootfs, cmd and env. CMDLINE is a file to show as /proc/cmdline.
set -euo pipefail
dir=$1
cmdline=$2
mount --make-rprivate /
mapfile -t env <"$dir/env"
mapfile -t cmd <"$dir/cmd"
rm "$dir/env" "$dir/cmd"
mount --bind "$dir/rootfs" "$dir/rootfs"
cd "$dir/rootfs"
mount -t devtmpfs -o nosuid,noexec dev dev
mount -t proc -o nodev,nosuid,noexec proc proc
mount -t tmpfs -o nodev,nosuid,noexec,mode=0755 tmpfs run
mount -t tmpfs -o nodev,nosuid,noexec tmpfs tmp
mount -t sysfs -o nodev,nosuid,noexec sysfs sys
mount --bind "$cmdline" proc/cmdline
status=0
env -i "${env[@]}" "$(command -v chroot)" . "${cmd[@]}" || status=$? # a child, as init forks before it executes
exit "$status"
