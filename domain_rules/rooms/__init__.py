"""The access rules of rooms, and what guests may do in them: who may make a room, come in, or change it."""
