package steps_test

import (
	"fmt"
	"testing"

	"anchorhold/enclave/steps"
)

func TestBudgetGivesAsManyStepsAsItHas(t *testing.T) {
	for _, n := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		for _, each := range []int{1, 3, 5000} {
			b := steps.New(nil)
			b.Start(n)
			got := 0
			for b.Spend(each) {
				got += each
				if b.Used() != got {
					t.Fatalf("%d in steps of %d: got %d used, want %d", n, each, b.Used(), got)
				}
			}
			if want := n / each * each; got != want {
				t.Errorf("%d in steps of %d: got %d, want %d", n, each, got, want)
			}
			if b.Err() != steps.ErrSpent || b.Used() <= n {
				t.Errorf("got error %v after %d steps, want ErrSpent after more than %d", b.Err(), b.Used(), n)
			}
			if b.Spend(0) || b.Spend(1) {
				t.Error("a spent budget gives steps")
			}
			if b.Start(1); !b.Spend(1) || b.Err() != nil {
				t.Errorf("got %v after a new start, want a step", b.Err())
			}
		}
	}
}

// The end of the job is seen within a bounded number of steps, and not taken for a spent budget.
func TestBudgetEndsWithTheJob(t *testing.T) {
	done := make(chan struct{})
	b := steps.New(done)
	b.Start(1 << 30)
	for range 10_000 {
		if !b.Spend(1) {
			t.Fatal("ended before the job")
		}
	}
	close(done)
	n := 0
	for b.Spend(1) {
		if n++; n > 1<<13 {
			t.Fatal("the end of the job is not seen")
		}
	}
	if b.Err() != steps.ErrEnded {
		t.Errorf("got %v, want ErrEnded", b.Err())
	}
}

func ExampleBudget() {
	b := steps.New(nil)
	b.Start(3)
	for i := range 5 {
		if !b.Spend(1) {
			fmt.Println(i, b.Err())
			return
		}
	}
	// Output: 3 record takes more steps than its size allows
}
