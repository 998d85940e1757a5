"""Pure decisions: values and `now` in, a decision with its `because` out."""
