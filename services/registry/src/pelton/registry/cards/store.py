"""The SQL of the cards."""

from typing import Final

from sqlalchemy import text

KEY = text("SELECT key FROM models WHERE model = :model")
SECTIONS = text("SELECT section, text, written_by, written_at FROM card_sections WHERE key = :key ORDER BY section")
WRITE_SECTION = text("""
    INSERT INTO card_sections (key, section, text, written_by, written_at)
    VALUES (:key, :section, :text, :actor, :time)
    ON CONFLICT (key, section) DO UPDATE
    SET text = EXCLUDED.text, written_by = EXCLUDED.written_by, written_at = EXCLUDED.written_at
""")
REMOVE_SECTION = text("DELETE FROM card_sections WHERE key = :key AND section = :section")
PUBLISH = text("""
    INSERT INTO cards (event_id, key, version, card, published_at) VALUES (:event_id, :key, :version, :card, :time)
""")
PUBLISHED = text("""
    SELECT card, published_at FROM cards WHERE key = :key AND version = :version
    ORDER BY published_at DESC, event_id DESC
""")
FORGET: Final = (text("DELETE FROM card_sections"), text("DELETE FROM cards"))
IN_USE = text("SELECT version FROM versions WHERE model = :model AND stage = ANY(:stages) ORDER BY version")
