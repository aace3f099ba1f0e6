"""What experts of LIBERO's tasks can do: one skill a module, chosen by the predicate that has to hold."""
