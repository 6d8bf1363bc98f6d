"""How live pictures arrived at the viewers, by what their own browsers measured."""
