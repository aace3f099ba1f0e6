"""The top of the table that `mini` takes place on."""

TABLE_TOP = 0.8  # m
GEOMS = ("table_visual",)  # what is seen of it
AREA = ((-0.22, 0.20), (-0.27, 0.27))  # (least, greatest) x and y, m: in sight and within reach
FIXTURES = {"bins": ("left_bin", "right_bin"), "blocks": (), "lever": ("lever_base",)}  # by scene
