"""Picture hashers: similar pictures differ in few bits."""
