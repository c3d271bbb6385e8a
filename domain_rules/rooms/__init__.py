"""Access rules of rooms: who may create, enter or change a room, and what guests may do there.

Pure functions over the state of a room (`room.RoomState`). They answer with a `RoomReason` for a
refusal, and with None where something is allowed. `events` judges a state event or its redaction,
`creation` a createRoom request, `membership` who comes in, `changes` and `power` the rest.
"""
