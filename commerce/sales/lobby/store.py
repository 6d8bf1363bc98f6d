"""SQL of the lobby."""

from __future__ import annotations

from typing import Any

import orjson

from commerce.kernel.ports import Connection

ROOMS_SHOWN_MAX = 200
JSON_COLUMNS = frozenset({"host", "show", "next_show", "next_event", "replay"})

SELECT_LOBBY = """
    SELECT r.id::text, r.slug AS room, r.title, r.poster,
        jsonb_build_object('id', u.id, 'name', u.name, 'avatar', u.avatar)::text AS host,
        (SELECT jsonb_build_object('id', s.id, 'title', s.title, 'status', s.status,
            'starts_at_ms', s.starts_at_ms, 'started_at_ms', s.started_at_ms)::text
            FROM shows s WHERE s.room_id = r.id AND s.status = 'live') AS show,
        (SELECT jsonb_build_object('id', s.id, 'title', s.title, 'starts_at_ms', s.starts_at_ms,
            'items', (SELECT count(*) FROM bag_items i
                WHERE i.show_id = s.id AND i.removed_at_ms IS NULL),
            'picture', (SELECT v.picture FROM bag_items i JOIN named_variants v ON v.sku = i.sku
                WHERE i.show_id = s.id AND i.removed_at_ms IS NULL ORDER BY i.no LIMIT 1))::text
            FROM shows s WHERE s.room_id = r.id AND s.status = 'scheduled'
            ORDER BY s.starts_at_ms LIMIT 1) AS next_show,
        (SELECT jsonb_build_object('kind', x.kind, 'state', x.state, 'sale', x.id,
            'opens_at_ms', x.opens_at_ms, 'price_minor', x.price_minor, 'currency', x.currency,
            'title', v.title, 'title_zh', v.title_zh, 'quantity', x.quantity,
            'per_buyer', x.per_buyer)::text
            FROM sales x JOIN shows s ON s.id = x.show_id AND s.status = 'live'
            JOIN named_variants v ON v.sku = x.sku
            WHERE x.room_id = r.id AND x.kind = 'flash' AND x.state IN ('armed', 'open')
            ORDER BY x.opens_at_ms LIMIT 1) AS next_event,
        (SELECT jsonb_build_object('show', s.id, 'title', s.title,
            'started_at_ms', s.started_at_ms, 'length_ms', (SELECT sum(q.to_ms - q.from_ms)
                FROM recording_parts q WHERE q.show_id = s.id))::text
            FROM shows s JOIN recordings c ON c.show_id = s.id AND c.state IN ('complete', 'cut')
            WHERE s.room_id = r.id AND s.status = 'ended' AND EXISTS (
                SELECT FROM recording_parts q WHERE q.show_id = s.id AND q.to_ms > q.from_ms)
            ORDER BY s.starts_at_ms DESC LIMIT 1) AS replay
    FROM rooms r JOIN users u ON u.id = r.host_id ORDER BY r.id LIMIT $1
"""


async def select_lobby(connection: Connection) -> list[dict[str, Any]]:
    """Return every room as the lobby shows it; `id` is the room's own."""
    return [
        {
            name: orjson.loads(value) if value and name in JSON_COLUMNS else value
            for name, value in row.items()
        }
        for row in await connection.fetch(SELECT_LOBBY, ROOMS_SHOWN_MAX)
    ]
