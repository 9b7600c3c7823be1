package boot

import (
	"encoding/binary"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// creditBits is what the pool is told to have got: a full key's worth of the 4,096 bits that it
// gets.
const creditBits = 256

// mixEntropy adds bytes to the kernel's pool with RNDADDENTROPY, then makes sure that reading does
// not block. Without the right to credit them, which only anchorhold-dev can lack, they are mixed
// in all the same.
func mixEntropy(b []byte) error {
	f, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	// struct rand_pool_info of linux/random.h
	info := binary.NativeEndian.AppendUint32(nil, creditBits)
	info = binary.NativeEndian.AppendUint32(info, uint32(len(b)))
	info = append(info, b...)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&info[0])))
	switch {
	case errno == unix.EPERM:
		if _, err := f.Write(b); err != nil {
			return err
		}
	case errno != 0:
		return errno
	}
	var probe [1]byte
	if n, err := unix.Getrandom(probe[:], unix.GRND_NONBLOCK); n != 1 {
		return errors.Join(errors.New("the kernel's pool is not ready"), err)
	}
	return nil
}
