"""What all commands show and read: messages, live areas, conversations, help, completion."""
