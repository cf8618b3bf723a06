"""Pure values of the domain: what is declared, how it is addressed. Standard library only; nothing touches a disk."""
