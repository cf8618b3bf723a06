"""Pure values of the domain: what is declared and how it is addressed. Standard library only; nothing here touches a disk."""
