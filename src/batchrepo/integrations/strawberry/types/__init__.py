"""What clients see: types from repositories, their fields, inputs, connections and global ids."""
