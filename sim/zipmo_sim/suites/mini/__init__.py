"""The suite `mini`: three tabletop scenes from the objects that come inside robosuite's wheel."""
