-- Which code versions of which assets are recorded.
SELECT DISTINCT asset, code_version FROM code_part
