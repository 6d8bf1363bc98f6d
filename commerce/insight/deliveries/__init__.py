"""How sale events reached the viewers, by what their own clients reported."""
