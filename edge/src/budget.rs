//! Work that may use so much memory and no more.
//!
//! A template doubles a string with each of its instructions, so that counting instructions bounds no memory, and its
//! engine has no limit of its own. So the allocator of this crate counts what a thread holds. It cannot fail: Rust ends
//! the process where an allocation does, and an allocator must not unwind. But it may wait. Work runs on a thread of its
//! own, and an allocation beyond the budget waits for ever, before it is made, while the caller is told. Such a thread
//! and what it held are lost, so callers give work that went too far no second chance.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use crate::buffer::{panic_failure, Failure, Kind, Outcome};

/// As much as the program's main thread has; templates may nest deeply.
const STACK_BYTES: usize = 8 << 20;
const UNLIMITED: isize = isize::MAX;

thread_local! {
    static LEFT: Cell<isize> = const { Cell::new(UNLIMITED) };
    static BELL: RefCell<Option<Arc<Bell>>> = const { RefCell::new(None) };
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Working,
    Done,
    Exhausted,
}

struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self, state: State) {
        *self.state.lock().unwrap_or_else(|e| e.into_inner()) = state;
        self.changed.notify_all();
    }

    fn wait(&self) -> State {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        while *state == State::Working {
            state = self.changed.wait(state).unwrap_or_else(|e| e.into_inner());
        }
        *state
    }
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: memory is the system allocator's; nothing here unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        spend(layout.size());
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        spend(layout.size());
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        gain(layout.size());
        System.dealloc(memory, layout)
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        spend(size);
        gain(layout.size());
        System.realloc(memory, layout, size)
    }
}

fn gain(bytes: usize) {
    let left = LEFT.get();
    if left != UNLIMITED {
        LEFT.set(left.saturating_add_unsigned(bytes).min(UNLIMITED - 1));
    }
}

fn spend(bytes: usize) {
    let left = LEFT.get();
    if left == UNLIMITED {
        return;
    }
    let left = left.saturating_sub_unsigned(bytes);
    LEFT.set(left);
    if left < 0 {
        LEFT.set(UNLIMITED);
        BELL.with_borrow(|bell| {
            if let Some(bell) = bell {
                bell.ring(State::Exhausted);
                loop {
                    thread::park();
                }
            }
        });
    }
}

/// What `work` returns (a panic is a failure); nothing where it would hold more than `bytes`, and what it had is lost.
pub fn within<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Option<Outcome<T>> {
    let bell = Arc::new(Bell {
        state: Mutex::new(State::Working),
        changed: Condvar::new(),
    });
    let theirs = Arc::clone(&bell);
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        BELL.set(Some(Arc::clone(&theirs)));
        LEFT.set(isize::try_from(bytes).unwrap_or(UNLIMITED));
        let outcome = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|p| Err(panic_failure(p)));
        LEFT.set(UNLIMITED);
        theirs.ring(State::Done);
        outcome
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(e) => {
            return Some(Err(Failure::new(
                Kind::Limit,
                format!("no thread to work on: {e}"),
            )))
        }
    };
    match bell.wait() {
        State::Exhausted => None,
        _ => Some(thread.join().unwrap_or_else(|p| Err(panic_failure(p)))),
    }
}
