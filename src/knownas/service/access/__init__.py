"""Makes what a data subject is handed out of what is known of them."""
