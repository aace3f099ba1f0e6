"""What a command becomes for a controller: numpy, and pin where joints are commanded. No ROS."""
